-- The repos of the newest sha1 of a ref that has a match for every term. A sha1 is as new as its newest matching repo.
-- Where no such ref exists, every repo of the sha1 of that name.
-- KEYS    repos, rows, ref_sha1s of the status asked for, profiles, sha1_repos of the name asked for, changes
-- ARGV    1 budget (profiles to look at), 2-6 where to go on ('' = at the beginning): the last change of then, below
--         which profile, and time, id and sha1 of the best so far, 7... terms
-- Returns 'ref', documents... (none if no sha1 has all) | 'sha1', documents... | 'more', the five to go on with
-- When anything has changed since then it begins anew, so that an answer is always of one state.
-- Mostly one of the newest sha1s is complete. If not, those of one profile are complete together or not at all, so it is
-- enough to look at the newest of each; a sha1 is never newer than its newest repo, so what is older ends the search.
--@include completing
local repos, rows, sha1s, profiles, sha1_repos, changes = unpack(KEYS)
local budget, below, best = tonumber(ARGV[1]), '', {time = '', id = 0, sha1 = ''}
local terms = terms_from(7)
local FIRST = 16

local function last_change() return (redis.call('XREVRANGE', changes, '+', '-', 'COUNT', 1)[1] or {''})[1] end

if ARGV[2] ~= '' and ARGV[2] == last_change() then
  below, best = ARGV[3], {time = ARGV[4], id = tonumber(ARGV[5]), sha1 = ARGV[6]}
end

if redis.call('EXISTS', rows) == 0 then
  return append_documents({'sha1'}, repos, redis.call('ZRANGE', sha1_repos, 0, -1, 'REV'))
end

-- Takes a sha1 as the best if it is complete and newer; returns whether it is complete.
local function look_at(sha1)
  local time, id = newest_if_complete(redis.call('HGET', rows, sha1), terms)
  if not time then return false end
  if time > best.time or (time == best.time and id > best.id) then best = {time = time, id = id, sha1 = sha1} end
  return true
end

local function answer()
  local ids = {}
  if best.sha1 ~= '' then
    for cell, id in string.gmatch(redis.call('HGET', rows, best.sha1), '([^\n]*)/%d+/(%d+)\n') do
      if #terms_met(cell, terms) > 0 then ids[#ids + 1] = id end
    end
  end
  return append_documents({'ref'}, repos, ids)
end

if below == '' then
  local newest = redis.call('ZRANGE', sha1s, 0, FIRST - 1, 'REV', 'WITHSCORES')
  for index = 1, #newest, 2 do
    if best.sha1 ~= '' and tonumber(newest[index + 1]) < tonumber(best.time) then return answer() end
    look_at(newest[index])
  end
  if #newest < 2 * FIRST then return answer() end
  below = '+'
end

while true do
  local row = redis.call('ZRANGE', profiles, below, '-', 'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
  if not row then return answer() end
  if budget == 0 then return {'more', last_change(), below, best.time, string.format('%.0f', best.id), best.sha1} end
  budget = budget - 1
  local profile, time, sha1 = string.match(row, '^(.*)/(%d+)/(%w+)$')
  local may_be_newer = time >= best.time and look_at(sha1)
  below = may_be_newer and '(' .. row or '(' .. profile .. '/'
end
