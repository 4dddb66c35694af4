-- Puts a new document in the place of the old one: document, every index and the change event together, or nothing.
-- KEYS    1-7 builds, next_build_id, build_identities, build_queued, build_modified, build_refs, changes
--         8-9 of the old record, 10-11 of the new one: build_sha1s of its ref, sha1_builds. Where there is no old or no
--         new one, the other's stand in, here and below.
-- ARGV    1 digest of the identity wanted, 2-3 the two places where a queued build may wait for it,
--         4 old document ('' = there must be none), 5 new document from behind its id on ('' = delete),
--         6 id ('' = the next one; of a new record the one that it gets if it is free),
--         7-11 digest of the identity, ref, sha1, time, place where it waits ('' = nowhere) of the old record,
--         12-16 of the new one, 17 change event from behind its id on, 18 length of the stream, 19 channel
-- Returns the id; '' when the build that is wanted is not the old document: read again
--@include wanted
local builds, next_build_id, identities, queued, modified, refs, changes = unpack(KEYS, 1, 7)
local old, tail, id = ARGV[4], ARGV[5], ARGV[6]

local function set_newest(key, member, members)
  local time = redis.call('ZRANGE', members, 0, 0, 'REV', 'WITHSCORES')[2]
  if time then redis.call('ZADD', key, time, member) else redis.call('ZREM', key, member) end
end

local function waiting(place) return place .. '/' .. string.rep('0', 16 - #id) .. id end

local function lift(sha1s, members, digest, ref, sha1, _, place)
  redis.call('HDEL', identities, digest)
  redis.call('ZREM', modified, id)
  redis.call('ZREM', members, id)
  if place ~= '' then redis.call('ZREM', queued, waiting(place)) end
  set_newest(sha1s, sha1, members)
  set_newest(refs, ref, sha1s)
end

local function place_new(sha1s, members, digest, ref, sha1, time, place)
  redis.call('HSET', identities, digest, id)
  redis.call('ZADD', modified, time, id)
  redis.call('ZADD', members, time, id)
  if place ~= '' then redis.call('ZADD', queued, 0, waiting(place)) end
  set_newest(sha1s, sha1, members)
  set_newest(refs, ref, sha1s)
end

local known = find_wanted(identities, queued, ARGV[1], {ARGV[2], ARGV[3]})
local stored = known and redis.call('HGET', builds, known) or ''
if known and tail ~= '' and stored == '{"id":' .. known .. tail then
  redis.call('HSET', identities, ARGV[12], known) -- a write, as whoever waits for replicas waits for his own writes only
  return known
end
if stored ~= old then return '' end
if old == '' and id ~= '' then
  if redis.call('HEXISTS', builds, id) == 1 then id = ''
  elseif tonumber(redis.call('GET', next_build_id) or 0) < tonumber(id) then redis.call('SET', next_build_id, id) end
end
if id == '' then id = string.format('%d', redis.call('INCR', next_build_id)) end
if old ~= '' then lift(KEYS[8], KEYS[9], unpack(ARGV, 7, 11)) end
if tail ~= '' then
  redis.call('HSET', builds, id, '{"id":' .. id .. tail)
  place_new(KEYS[10], KEYS[11], unpack(ARGV, 12, 16))
else
  redis.call('HDEL', builds, id)
end
local event = '{"id":' .. id .. ARGV[17]
redis.call('XADD', changes, 'MAXLEN', '~', ARGV[18], '*', 'event', event)
redis.call('PUBLISH', ARGV[19], event)
return id
