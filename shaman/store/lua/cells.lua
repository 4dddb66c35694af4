-- Included by the scripts that look repos up: reading of cells, rows and terms (store/keys.py draws them).
-- A term is `status/flavor/distro/version/arch` in quoted parts; an empty part matches anything.

local function parts_of(text)
  return {string.match(text, '^([^/]*)/([^/]*)/([^/]*)/([^/]*)/([^/]*)$')}
end

local function terms_from(first)
  local terms = {}
  for index = first, #ARGV do terms[#terms + 1] = parts_of(ARGV[index]) end
  return terms
end

local function matches(cell_parts, term)
  for index = 1, 4 do
    if term[index] ~= '' and term[index] ~= cell_parts[index] then return false end
  end
  return term[5] == '' or string.find(',' .. cell_parts[5] .. ',', ',' .. term[5] .. ',', 1, true) ~= nil
end

-- Calls visit(cell, its parts, the id of its newest repo) for each cell of a ref; only those of one status, unless ''.
-- The rows of a cell stand together, the newest last. Most refs have few rows, which are read together; where a cell has
-- many, one jump per cell: the greatest row below the cell visited last is the newest of the cell before it.
local TIME = string.len('/0001700000000000')
local TOGETHER = 32
local function each_cell(cells, status, visit)
  local below, count = status == '' and '+' or '(' .. status .. '0', TOGETHER
  repeat
    local rows = redis.call('ZRANGE', cells, below, '-', 'BYLEX', 'REV', 'LIMIT', 0, count)
    local last, visited = nil, 0
    for _, row in ipairs(rows) do
      local behind = string.find(row, '/%d+$')
      local cell = string.sub(row, 1, behind - TIME - 1)
      if cell ~= last then
        local cell_parts = parts_of(cell)
        if status ~= '' and cell_parts[1] ~= status then return end
        visit(cell, cell_parts, string.sub(row, behind + 1))
        last, visited = cell, visited + 1
      end
    end
    if #rows < count then return end
    below, count = '(' .. last .. '/', visited > 1 and TOGETHER or 1
  until false
end

-- Appends the documents of `ids` to `answer`, a thousand at a time, as unpack() has a limit. The error DAMAGED in its
-- place if one is missing: an answer without it would be wrong.
local function append_documents(answer, repos, ids)
  for first = 1, #ids, 1000 do
    local last = math.min(first + 999, #ids)
    for index, document in ipairs(redis.call('HMGET', repos, unpack(ids, first, last))) do
      if not document then return redis.error_reply('DAMAGED ' .. repos .. ' has no ' .. ids[first + index - 1]) end
      answer[#answer + 1] = document
    end
  end
  return answer
end
