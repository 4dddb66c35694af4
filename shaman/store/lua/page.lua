-- One page of the members of some sorted sets: each member once, at the greatest of its scores, the greatest first.
-- KEYS    sorted sets
-- ARGV    1 members of a page, 2 score and 3 member behind which it begins ('' = at the top)
-- Returns score and member behind which the next page begins ('' = there is none), members and their scores...
--@include bytewise
local count, score, member = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local LOOKED_AT = 20 * count -- members that stand higher in another set are passed over, but not for ever

-- The index, counted from the top, of the first member behind the position.
local function first_behind(key)
  if score == '' then return 0 end
  local low = redis.call('ZCOUNT', key, '(' .. score, '+inf')
  local high = low + redis.call('ZCOUNT', key, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = redis.call('ZRANGE', key, middle, middle, 'REV')[1]
    if before(found, member) then high = middle else low = middle + 1 end
  end
  return low
end

local sets = {}
for number, key in ipairs(KEYS) do sets[number] = {key = key, at = first_behind(key), rows = {}, next = 1} end

local function head(set)
  if set.next > #set.rows then
    set.rows = redis.call('ZRANGE', set.key, set.at, set.at + count, 'REV', 'WITHSCORES')
    set.at, set.next = set.at + count + 1, 1
  end
  return set.rows[set.next], set.rows[set.next + 1]
end

local function highest()
  local best, name, value
  for number, set in ipairs(sets) do
    local found, at = head(set)
    local higher = found and (not name or tonumber(at) > tonumber(value) or (at == value and before(name, found)))
    if higher then best, name, value = number, found, at end
  end
  return best, name, value
end

local function is_told_elsewhere(number, name, value)
  for other, set in ipairs(sets) do
    local at = other ~= number and redis.call('ZSCORE', set.key, name)
    if at and (tonumber(at) > tonumber(value) or (at == value and other < number)) then return true end
  end
end

local answer, looked_at, last_score, last_name = {'', ''}, 0, '', ''
while true do
  local number, name, value = highest()
  if not number then return answer end
  if #answer - 2 == 2 * count or looked_at == LOOKED_AT then
    answer[1], answer[2] = last_score, last_name
    return answer
  end
  sets[number].next, looked_at, last_score, last_name = sets[number].next + 2, looked_at + 1, value, name
  if not is_told_elsewhere(number, name, value) then answer[#answer + 1], answer[#answer + 2] = name, value end
end
