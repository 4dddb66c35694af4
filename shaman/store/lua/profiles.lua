-- Included by the scripts that write repos: the member that stands for a sha1 of a ref in the profiles of the ref.
-- Its profile is the set of its cells, so few profiles stand for many sha1s (store/keys.py draws both).

-- The same for a set in whatever order, as the order of texts depends on the locale that the server was started in.
local function digest_of(cells)
  if not redis.sha1hex then -- in fakeredis; it lives and dies with one locale, and the text itself is only longer
    table.sort(cells)
    return table.concat(cells, '\n')
  end
  local high, low = 0, 0
  for _, cell in ipairs(cells) do
    local digest = redis.sha1hex(cell)
    high = (high + tonumber(string.sub(digest, 1, 12), 16)) % 2 ^ 48
    low = (low + tonumber(string.sub(digest, 13, 24), 16)) % 2 ^ 48
  end
  return string.format('%012x%012x', high, low)
end

local function profile_member(lines, sha1)
  local cells, known, newest = {}, {}, ''
  for cell, time in string.gmatch(lines, '([^\n]*)/(%d+)/%d+\n') do
    if not known[cell] then cells[#cells + 1] = cell end
    known[cell] = true
    if time > newest then newest = time end
  end
  return table.concat({digest_of(cells), newest, sha1}, '/')
end
