-- Puts a new document in the place of the old one: document, every index and the change event together, or nothing.
-- KEYS    1-7 repos, next_id, identities, gone, modified, sha1s, changes
--         8-13 of the old record, 14-19 of the new one: refs, refs of its status, ref_sha1s, ref_sha1s of its status,
--         cells, rows; 20-21 sha1_repos of the old and the new one, 22-23 their profiles.
--         Where there is no old or new one, the other's stand in.
-- ARGV    1 digest, 2 old document ('' = there must be none), 3 new document from behind its id on ('' = delete), 4 id
--         ('' = the next one; the one that a new record wants, if it is free),
--         5-8 ref, sha1, cell, time of the old record, 9-12 of the new one,
--         13 sender's time of a deletion ('' = not told), 14 seconds to remember it for,
--         15 change event from behind its id on, 16 length of the stream, 17 channel
-- Returns the id ('0' = nothing was there to delete); '' when the stored document is another one than the old: read again
--@include profiles
local repos, next_id, identities, gone, modified, sha1s, changes = unpack(KEYS, 1, 7)
local digest, old, tail, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local function set_newest(key, member, time)
  if time then redis.call('ZADD', key, time, member) else redis.call('ZREM', key, member) end
end

local function newest_in(key) return redis.call('ZRANGE', key, 0, 0, 'REV', 'WITHSCORES')[2] end

local function refresh(first, sha1_repos, profiles, ref, sha1, cell, before, lines)
  local status, newest, newest_of_status = string.match(cell, '^[^/]*'), nil, nil
  for line_status, time in string.gmatch(lines, '([^/\n]*)/[^\n]*/(%d+)/%d+\n') do
    if not newest or time > newest then newest = time end
    if line_status == status and (not newest_of_status or time > newest_of_status) then newest_of_status = time end
  end
  if lines == '' then redis.call('HDEL', KEYS[first + 5], sha1) else redis.call('HSET', KEYS[first + 5], sha1, lines) end
  set_newest(KEYS[first + 2], sha1, newest)
  set_newest(KEYS[first + 3], sha1, newest_of_status)
  set_newest(KEYS[first], ref, newest_in(KEYS[first + 2]))
  set_newest(KEYS[first + 1], ref, newest_in(KEYS[first + 3]))
  set_newest(sha1s, sha1, newest_in(sha1_repos))
  if before ~= '' then redis.call('ZREM', profiles, profile_member(before, sha1)) end
  if lines ~= '' then redis.call('ZADD', profiles, 0, profile_member(lines, sha1)) end
end

local function lift(ref, sha1, cell, time)
  redis.call('ZREM', KEYS[12], table.concat({cell, time, id}, '/'))
  redis.call('ZREM', KEYS[20], id)
  redis.call('ZREM', modified, id)
  local line, lines = table.concat({cell, time, id}, '/') .. '\n', redis.call('HGET', KEYS[13], sha1)
  local from, to = string.find('\n' .. lines, '\n' .. line, 1, true)
  refresh(8, KEYS[20], KEYS[22], ref, sha1, cell, lines, string.sub(lines, 1, from - 1) .. string.sub(lines, to))
end

local function place(ref, sha1, cell, time)
  redis.call('ZADD', KEYS[18], 0, table.concat({cell, time, id}, '/'))
  redis.call('ZADD', KEYS[21], time, id)
  redis.call('ZADD', modified, time, id)
  local before = redis.call('HGET', KEYS[19], sha1) or ''
  refresh(14, KEYS[21], KEYS[23], ref, sha1, cell, before, before .. table.concat({cell, time, id}, '/') .. '\n')
end

local known = redis.call('HGET', identities, digest)
local stored = known and redis.call('HGET', repos, known) or ''
if known and tail ~= '' and stored == '{"id":' .. known .. tail then return known end
if stored ~= old then return '' end
if tail == '' then
  if ARGV[13] ~= '' then redis.call('SET', gone, ARGV[13], 'EX', ARGV[14]) end
  if old == '' then return '0' end
end
if old == '' and id ~= '' then
  if redis.call('HEXISTS', repos, id) == 1 then id = ''
  elseif tonumber(redis.call('GET', next_id) or 0) < tonumber(id) then redis.call('SET', next_id, id) end
end
if id == '' then id = string.format('%d', redis.call('INCR', next_id)) end
if old ~= '' then lift(unpack(ARGV, 5, 8)) end
if tail ~= '' then
  redis.call('HSET', repos, id, '{"id":' .. id .. tail)
  redis.call('HSET', identities, digest, id)
  redis.call('DEL', gone)
  place(unpack(ARGV, 9, 12))
else
  redis.call('HDEL', repos, id)
  redis.call('HDEL', identities, digest)
end
local event = '{"id":' .. id .. ARGV[15]
redis.call('XADD', changes, 'MAXLEN', '~', ARGV[16], '*', 'event', event)
redis.call('PUBLISH', ARGV[17], event)
return id
