-- Included by the scripts that write repos: the member that stands for a sha1 of a ref in the profiles of the ref.
-- Its profile is the set of its cells, so few profiles stand for many sha1s (store/keys.py draws both).
local digest = redis.sha1hex or function(text) return text end -- fakeredis has none; the text itself is only longer

local function profile_member(lines, sha1)
  local cells, known, newest = {}, {}, ''
  for cell, time in string.gmatch(lines, '([^\n]*)/(%d+)/%d+\n') do
    if not known[cell] then cells[#cells + 1] = cell end
    known[cell] = true
    if time > newest then newest = time end
  end
  table.sort(cells)
  return table.concat({digest(table.concat(cells, '\n')), newest, sha1}, '/')
end
