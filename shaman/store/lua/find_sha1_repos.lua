-- Every repo of a sha1 in a ref that matches a term.
-- KEYS    repos, rows
-- ARGV    sha1, terms...
-- Returns documents...
--@include cells
local repos, rows = KEYS[1], KEYS[2]
local sha1, terms = ARGV[1], terms_from(2)

local ids = {}
for cell, id in string.gmatch(redis.call('HGET', rows, sha1) or '', '([^\n]*)/%d+/(%d+)\n') do
  local cell_parts = parts_of(cell)
  for _, term in ipairs(terms) do
    if matches(cell_parts, term) then
      ids[#ids + 1] = id
      break
    end
  end
end
return append_documents({}, repos, ids)
