-- Included by find_common_repos.lua: whether what is built of a sha1 has a match for every term, and how new it is.
--@include cells
local met_by = {}

-- Returns the numbers of the terms that a cell matches.
local function terms_met(cell, terms)
  if not met_by[cell] then
    local numbers, cell_parts = {}, parts_of(cell)
    for number, term in ipairs(terms) do
      if matches(cell_parts, term) then numbers[#numbers + 1] = number end
    end
    met_by[cell] = numbers
  end
  return met_by[cell]
end

-- Returns time and id of the newest match among the lines of a sha1; nil unless every term has one.
local function newest_if_complete(lines, terms)
  local found, count, time, newest = {}, 0, '', 0
  for cell, line_time, id in string.gmatch(lines, '([^\n]*)/(%d+)/(%d+)\n') do
    for _, number in ipairs(terms_met(cell, terms)) do
      if not found[number] then found[number], count = true, count + 1 end
      id = tonumber(id)
      if line_time > time or (line_time == time and id > newest) then time, newest = line_time, id end
    end
  end
  if count == #terms then return time, newest end
end
