-- The cells of a ref that match a term.
-- KEYS    cells
-- ARGV    status ('' = any), terms...
-- Returns cells...
--@include cells
local status, terms = ARGV[1], terms_from(2)

local found = {}
each_cell(KEYS[1], status, function(cell, cell_parts)
  for _, term in ipairs(terms) do
    if matches(cell_parts, term) then
      found[#found + 1] = cell
      return
    end
  end
end)
return found
