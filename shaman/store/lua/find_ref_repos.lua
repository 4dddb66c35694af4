-- Every repo of a ref that matches a term, unless they are many.
-- KEYS    repos, cells
-- ARGV    status ('' = any), limit (documents), terms...
-- Returns 'all', documents... | 'many'
--@include cells
local repos, cells = KEYS[1], KEYS[2]
local status, limit, terms = ARGV[1], tonumber(ARGV[2]), terms_from(3)

local ids = {}
each_cell(cells, status, function(cell, cell_parts)
  for _, term in ipairs(terms) do
    if matches(cell_parts, term) then
      local left = limit + 1 - #ids
      local rows = redis.call('ZRANGE', cells, '[' .. cell .. '/', '(' .. cell .. '0', 'BYLEX', 'LIMIT', 0, left)
      for _, row in ipairs(rows) do ids[#ids + 1] = string.match(row, '%d+$') end
      return
    end
  end
end)
if #ids > limit then return {'many'} end
return append_documents({'all'}, repos, ids)
