-- Included by the scripts that write builds: the id of the build a write means, or nil (store/keys.py draws the keys).
-- The one of the identity; else the queued one with the smallest id at the first place that has one ('' = no place).
local function find_wanted(identities, queued, digest, places)
  local id = redis.call('HGET', identities, digest)
  if id then return id end
  for _, place in ipairs(places) do
    if place ~= '' then
      -- '0' follows '/'.
      local member = redis.call('ZRANGE', queued, '[' .. place .. '/', '(' .. place .. '0', 'BYLEX', 'LIMIT', 0, 1)[1]
      if member then return string.match(member, '/0*(%d+)$') end
    end
  end
  return nil
end
