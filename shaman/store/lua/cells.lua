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
-- One jump per cell: the greatest row below the cell visited last is the newest of the cell before it.
local TIME = string.len('/0001700000000000')
local function each_cell(cells, status, visit)
  local below = status == '' and '+' or '(' .. status .. '0'
  while true do
    local row = redis.call('ZRANGE', cells, below, '-', 'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
    if not row then return end
    local behind = string.find(row, '/%d+$')
    local cell = string.sub(row, 1, behind - TIME - 1)
    local cell_parts = parts_of(cell)
    if status ~= '' and cell_parts[1] ~= status then return end
    visit(cell, cell_parts, string.sub(row, behind + 1))
    below = '(' .. cell .. '/'
  end
end

-- Appends the documents of `ids` to `answer`, a thousand at a time, as unpack() has a limit.
local function append_documents(answer, repos, ids)
  for first = 1, #ids, 1000 do
    local last = math.min(first + 999, #ids)
    for _, document in ipairs(redis.call('HMGET', repos, unpack(ids, first, last))) do
      answer[#answer + 1] = document
    end
  end
  return answer
end
