-- Included by the scripts that compare members: as the store orders them, by bytes, whatever the locale is.
local function before(one, other)
  for index = 1, math.min(#one, #other) do
    local a, b = string.byte(one, index), string.byte(other, index)
    if a ~= b then return a < b end
  end
  return #one < #other
end
