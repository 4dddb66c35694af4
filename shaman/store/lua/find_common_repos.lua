-- The repos of the newest sha1 of a ref that has a match for every term. A sha1 is as new as its newest matching repo.
-- Where no such ref exists, every repo of the sha1 of that name.
-- KEYS    repos, cells, rows, and sha1_repos of the name asked for
-- ARGV    status ('' = any), before (a time; '' = from the newest), budget (sha1s to look at), terms...
-- Returns 'ref', documents... (none if no sha1 has all) | 'sha1', documents... | 'more', the time to go on before
-- Walks the matching cells side by side from their newest row, and stops at the first sha1 that is complete.
--@include cells
local repos, cells, rows = KEYS[1], KEYS[2], KEYS[3]
local status, before, budget, terms = ARGV[1], ARGV[2], tonumber(ARGV[3]), terms_from(4)

if redis.call('EXISTS', cells) == 0 then
  return append_documents({'sha1'}, repos, redis.call('ZRANGE', KEYS[4], 0, -1, 'REV'))
end

local heads, matched, cells_of_term = {}, {}, {}
for index = 1, #terms do cells_of_term[index] = {} end

local function head_at(cell, below)
  local row = redis.call('ZRANGE', cells, below, '[' .. cell .. '/', 'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
  if not row then return nil end
  local time, sha1 = string.match(row, '/(%d+)/(%w+)/%d+$')
  return {cell = cell, row = row, time = time, sha1 = sha1}
end

each_cell(cells, status, function(cell, cell_parts, row)
  for index, term in ipairs(terms) do
    if matches(cell_parts, term) then
      matched[cell] = true
      table.insert(cells_of_term[index], '\n' .. cell .. '/')
    end
  end
  if matched[cell] then
    -- '0' follows '/': every row of that very time is still looked at.
    heads[#heads + 1] = head_at(cell, before == '' and '[' .. row or '(' .. cell .. '/' .. before .. '0')
  end
end)

local function has_all(lines)
  for index = 1, #terms do
    local found = false
    for _, prefix in ipairs(cells_of_term[index]) do
      found = found or string.find(lines, prefix, 1, true) ~= nil
    end
    if not found then return false end
  end
  return true
end

local seen = {}
while #heads > 0 do
  local top = 1
  for index = 2, #heads do if heads[index].time > heads[top].time then top = index end end
  local head = heads[top]
  if not seen[head.sha1] then
    if budget == 0 then return {'more', head.time} end
    budget, seen[head.sha1] = budget - 1, true
    local lines = '\n' .. redis.call('HGET', rows, head.sha1)
    if has_all(lines) then
      local ids = {}
      for cell, id in string.gmatch(lines, '([^\n]*)/%d+/(%d+)\n') do
        if matched[cell] then ids[#ids + 1] = id end
      end
      return append_documents({'ref'}, repos, ids)
    end
  end
  heads[top] = head_at(head.cell, '(' .. head.row)
  if not heads[top] then heads[top] = heads[#heads]; heads[#heads] = nil end
end
return {'ref'}
