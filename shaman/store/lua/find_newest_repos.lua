-- The newest repo of each cell of a ref that matches a term; where no such ref exists, every repo of the sha1 of that name.
-- KEYS    repos, cells and sha1_repos of the name asked for
-- ARGV    status ('' = any), terms...
-- Returns 'ref' or 'sha1', documents... (of a sha1: newest first and unfiltered)
--@include cells
local repos, cells, sha1_repos = KEYS[1], KEYS[2], KEYS[3]
local status, terms = ARGV[1], terms_from(2)

if redis.call('EXISTS', cells) == 0 then
  return append_documents({'sha1'}, repos, redis.call('ZRANGE', sha1_repos, 0, -1, 'REV'))
end

local ids = {}
each_cell(cells, status, function(_, cell_parts, id)
  for _, term in ipairs(terms) do
    if matches(cell_parts, term) then
      ids[#ids + 1] = id
      return
    end
  end
end)
return append_documents({'ref'}, repos, ids)
