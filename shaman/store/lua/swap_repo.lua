-- Puts a new document in the place of the old one: document, every index and the change event together, or nothing.
-- KEYS    1-7 repos, next_id, identities, gone, modified, sha1s, changes
--         8-13 of the old record, 14-19 of the new one: refs, refs of its status, ref_sha1s, ref_sha1s of its status,
--         cells, rows; 20-21 sha1_repos of the old and the new one, 22-23 their profiles, 24-25 their sha1_names.
--         Where there is no old or new one, the other's stand in.
-- ARGV    1 digest, 2 old document ('' = there must be none), 3 new document from behind its id on ('' = delete), 4 id
--         ('' = the next one; the one that a new record wants, if it is free),
--         5-8 ref, sha1, cell, time of the old record, 9-12 of the new one,
--         13 what is left of a deleted record, 14 seconds to keep it for, 15 what was left of an earlier one as read,
--         16 change event from behind its id on, 17 length of the stream, 18 channel
-- Returns the id ('0' = nothing was there to delete); '' when the store has something else than was read: read again
--@include profiles
--@include newest
local repos, next_id, identities, gone, modified, sha1s, changes = unpack(KEYS, 1, 7)
local digest, old, tail, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

-- Puts the lists right that a record of the status of `cell` stands in, from the lines of its sha1.
local function rank(first, sha1_repos, names, ref, sha1, cell, lines)
  local status, newest, newest_of_status = string.match(cell, '^[^/]*'), nil, nil
  for line_status, time in string.gmatch(lines, '([^/\n]*)/[^\n]*/(%d+)/%d+\n') do
    if not newest or time > newest then newest = time end
    if line_status == status and (not newest_of_status or time > newest_of_status) then newest_of_status = time end
  end
  set_score(KEYS[first + 2], sha1, newest)
  set_score(KEYS[first + 3], sha1, newest_of_status)
  set_score(KEYS[first], ref, newest_in(KEYS[first + 2]))
  set_score(KEYS[first + 1], ref, newest_in(KEYS[first + 3]))
  local anywhere = newest_in(sha1_repos)
  if set_score(sha1s, sha1, anywhere) == 1 then set_score(names, sha1, anywhere and 0) end
end

local function set_lines(rows, profiles, sha1, before, lines)
  if lines == '' then redis.call('HDEL', rows, sha1) else redis.call('HSET', rows, sha1, lines) end
  if before ~= '' then redis.call('ZREM', profiles, profile_member(before, sha1)) end
  if lines ~= '' then redis.call('ZADD', profiles, 0, profile_member(lines, sha1)) end
end

local function line_of(cell, time) return table.concat({cell, time, id}, '/') .. '\n' end

local function without(lines, line)
  local from, to = string.find('\n' .. lines, '\n' .. line, 1, true)
  return string.sub(lines, 1, from - 1) .. string.sub(lines, to)
end

local function index(cells, sha1_repos, cell, time)
  redis.call('ZADD', cells, 0, table.concat({cell, time, id}, '/'))
  redis.call('ZADD', sha1_repos, time, id)
  redis.call('ZADD', modified, time, id)
end

local function unindex(cells, sha1_repos, cell, time)
  redis.call('ZREM', cells, table.concat({cell, time, id}, '/'))
  redis.call('ZREM', sha1_repos, id)
  redis.call('ZREM', modified, id)
end

local function move(old_place, new_place)
  local ref, sha1, cell, time = unpack(old_place or new_place)
  local new_ref, new_sha1, new_cell, new_time = unpack(new_place or old_place)
  if old_place then unindex(KEYS[12], KEYS[20], cell, time) end
  if new_place then index(KEYS[18], KEYS[21], new_cell, new_time) end
  local before = redis.call('HGET', KEYS[13], sha1) or ''
  local lines = old_place and without(before, line_of(cell, time)) or before
  local stays = old_place and new_place and ref == new_ref and sha1 == new_sha1
  if stays then lines = lines .. line_of(new_cell, new_time) end
  if old_place then
    set_lines(KEYS[13], KEYS[22], sha1, before, lines)
    rank(8, KEYS[20], KEYS[24], ref, sha1, cell, lines)
  end
  if not new_place then return end
  if not stays then
    before = redis.call('HGET', KEYS[19], new_sha1) or ''
    lines = before .. line_of(new_cell, new_time)
    set_lines(KEYS[19], KEYS[23], new_sha1, before, lines)
  end
  rank(14, KEYS[21], KEYS[25], new_ref, new_sha1, new_cell, lines)
end

local known = redis.call('HGET', identities, digest)
local stored = known and redis.call('HGET', repos, known) or ''
if known and tail ~= '' and stored == '{"id":' .. known .. tail then
  redis.call('HSET', identities, digest, known) -- a write, as whoever waits for replicas waits for his own writes only
  return known
end
if stored ~= old then return '' end
if old == '' and (redis.call('GET', gone) or '') ~= ARGV[15] then return '' end
if tail == '' then
  redis.call('DEL', gone) -- a server that is full lets a script end that has begun with what frees memory
  redis.call('SET', gone, ARGV[13], 'EX', ARGV[14])
  if old == '' then return '0' end
end
if old == '' and id ~= '' then
  if redis.call('HEXISTS', repos, id) == 1 then id = ''
  elseif tonumber(redis.call('GET', next_id) or 0) < tonumber(id) then redis.call('SET', next_id, id) end
end
if id == '' then id = string.format('%d', redis.call('INCR', next_id)) end
move(old ~= '' and {unpack(ARGV, 5, 8)}, tail ~= '' and {unpack(ARGV, 9, 12)})
if tail ~= '' then
  redis.call('HSET', repos, id, '{"id":' .. id .. tail)
  redis.call('HSET', identities, digest, id)
  redis.call('DEL', gone)
else
  redis.call('HDEL', repos, id)
  redis.call('HDEL', identities, digest)
end
local event = '{"id":' .. id .. ARGV[16]
redis.call('XADD', changes, 'MAXLEN', '~', ARGV[17], '*', 'event', event)
redis.call('PUBLISH', ARGV[18], event)
return id
