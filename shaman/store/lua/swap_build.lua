-- Puts a new document in the place of the old one: document, every index and the change event together, or nothing.
-- KEYS    1-8 builds, next_build_id, build_identities, build_queued, build_modified, build_refs, changes, build_names
--         9-10 of the old record, 11-12 of the new one: build_sha1s of its ref, sha1_builds. Where there is no old or no
--         new one, the other's stand in, here and below.
-- ARGV    1 digest of the identity wanted, 2-3 the two places where a queued build may wait for it,
--         4 old document ('' = there must be none), 5 new document from behind its id on ('' = delete),
--         6 id ('' = the next one; of a new record the one that it gets if it is free),
--         7-12 digest of the identity, ref, sha1, member of the names, time, place where it waits ('' = nowhere) of the
--         old record, 13-18 of the new one, 19 change event from behind its id on, 20 length of the stream, 21 channel
-- Returns the id; '' when the build that is wanted is not the old document: read again
--@include wanted
--@include newest
local builds, next_build_id, identities, queued, modified, refs, changes, names = unpack(KEYS, 1, 8)
local old, tail, id = ARGV[4], ARGV[5], ARGV[6]

local function rank(sha1s, members, ref, sha1, name)
  local time = newest_in(members)
  if set_score(sha1s, sha1, time) == 1 then set_score(names, name, time and 0) end
  set_score(refs, ref, newest_in(sha1s))
end

local function waiting(place) return place .. '/' .. string.rep('0', 16 - #id) .. id end

local function lift(sha1s, members, digest, ref, sha1, name, _, place)
  redis.call('HDEL', identities, digest)
  redis.call('ZREM', modified, id)
  redis.call('ZREM', members, id)
  if place ~= '' then redis.call('ZREM', queued, waiting(place)) end
  rank(sha1s, members, ref, sha1, name)
end

local function place_new(sha1s, members, digest, ref, sha1, name, time, place)
  redis.call('HSET', identities, digest, id)
  redis.call('ZADD', modified, time, id)
  redis.call('ZADD', members, time, id)
  if place ~= '' then redis.call('ZADD', queued, 0, waiting(place)) end
  rank(sha1s, members, ref, sha1, name)
end

local known = find_wanted(identities, queued, ARGV[1], {ARGV[2], ARGV[3]})
local stored = known and redis.call('HGET', builds, known) or ''
if known and tail ~= '' and stored == '{"id":' .. known .. tail then
  redis.call('HSET', identities, ARGV[13], known) -- a write, as whoever waits for replicas waits for his own writes only
  return known
end
if stored ~= old then return '' end
if old == '' and id ~= '' then
  if redis.call('HEXISTS', builds, id) == 1 then id = ''
  elseif tonumber(redis.call('GET', next_build_id) or 0) < tonumber(id) then redis.call('SET', next_build_id, id) end
end
if id == '' then id = string.format('%d', redis.call('INCR', next_build_id)) end
if old ~= '' then lift(KEYS[9], KEYS[10], unpack(ARGV, 7, 12)) end
if tail ~= '' then
  redis.call('HSET', builds, id, '{"id":' .. id .. tail)
  place_new(KEYS[11], KEYS[12], unpack(ARGV, 13, 18))
else
  redis.call('HDEL', builds, id)
end
local event = '{"id":' .. id .. ARGV[19]
redis.call('XADD', changes, 'MAXLEN', '~', ARGV[20], '*', 'event', event)
redis.call('PUBLISH', ARGV[21], event)
return id
