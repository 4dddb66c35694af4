-- Removes the repos of a sha1 from a ref: all of them with their places in every index, or none. The log gets an entry,
-- and the change stream one for each repo.
-- KEYS    1-6 repos, identities, modified, sha1s, changes, removals, 7-13 refs, ref_sha1s, cells, rows, profiles,
--         build_sha1s, sha1_repos, 14 ref_sha1s of those that are ready, 15 sha1_names,
--         for each repo: refs of its status, ref_sha1s of its status, gone
-- ARGV    1 ref, 2 sha1, 3 time of its newest build (0 = it has none), 4 time of its newest record,
--         5-6 how many newer sha1s the ref must have, and how many that are ready, 7 entry of the log, 8 length of the
--         log, 9 length of the change stream, 10 channel, 11-12 seconds to remember a deletion for that its
--         sender dated, and another one,
--         for each repo: id, digest, `<cell>/<time>/<id>`, sender's time ('' = not told), change event from behind its id
-- Returns 'removed'; 'changed' if a repo or the newest build is not as told; 'kept' if the ref has too few newer ones
--@include profiles
--@include newest
local repos, identities, modified, sha1s, changes, removals = unpack(KEYS, 1, 6)
local refs, ref_sha1s, cells, rows, profiles, build_sha1s, sha1_repos, ready, names = unpack(KEYS, 7, 15)
local ref, sha1, built, time = unpack(ARGV, 1, 4)
local count = (#ARGV - 12) / 5

local lines = redis.call('HGET', rows, sha1) or ''
if select(2, string.gsub(lines, '\n', '\n')) ~= count then return 'changed' end
for index = 1, count do
  if not string.find('\n' .. lines, '\n' .. ARGV[10 + 5 * index] .. '\n', 1, true) then return 'changed' end
end
if tonumber(redis.call('ZSCORE', build_sha1s, sha1) or 0) ~= tonumber(built) then return 'changed' end

local function newer(key) return redis.call('ZCOUNT', key, '(' .. time, '+inf') end
local others = newer(ref_sha1s)
if count == 0 then others = math.max(others, newer(build_sha1s)) end
if others < tonumber(ARGV[5]) or newer(ready) < tonumber(ARGV[6]) then return 'kept' end

local clock = redis.call('TIME')
local now = string.format('/%d%06d', clock[1], clock[2]) -- so that no two deletions leave the same

-- First what frees memory: a server that is full lets a script end that has begun so.
redis.call('HDEL', rows, sha1)
redis.call('ZREM', ref_sha1s, sha1)
if count > 0 then redis.call('ZREM', profiles, profile_member(lines, sha1)) end
for index = 1, count do
  local id, digest, member, sent, event = unpack(ARGV, 8 + 5 * index, 12 + 5 * index)
  local status_refs, status_sha1s, gone = unpack(KEYS, 13 + 3 * index, 15 + 3 * index)
  redis.call('HDEL', repos, id)
  redis.call('HDEL', identities, digest)
  redis.call('ZREM', modified, id)
  redis.call('ZREM', sha1_repos, id)
  redis.call('ZREM', cells, member)
  if redis.call('ZREM', status_sha1s, sha1) == 1 then set_score(status_refs, ref, newest_in(status_sha1s)) end
  redis.call('SET', gone, sent .. now, 'EX', sent == '' and ARGV[12] or ARGV[11])
  redis.call('XADD', changes, 'MAXLEN', '~', ARGV[9], '*', 'event', '{"id":' .. id .. event)
  redis.call('PUBLISH', ARGV[10], '{"id":' .. id .. event)
end
set_score(refs, ref, newest_in(ref_sha1s))
local anywhere = newest_in(sha1_repos)
if set_score(sha1s, sha1, anywhere) == 1 then set_score(names, sha1, anywhere and 0) end
redis.call('XADD', removals, 'MAXLEN', '~', ARGV[8], '*', 'removal', ARGV[7])
return 'removed'
