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
-- Returns the id ('0' = nothing was there to delete); '' when the store has something else than was read: read again;
--         the error DAMAGED, with nothing written, when the rows do not have the old record
--@include placing
local repos, next_id, identities, gone, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[7]
local digest, old, tail, id = unpack(ARGV, 1, 4)
local ref, sha1, cell, time, new_ref, new_sha1, new_cell, new_time = unpack(ARGV, 5, 12)

local known = redis.call('HGET', identities, digest)
local stored = known and redis.call('HGET', repos, known) or ''
if known and tail ~= '' and stored == '{"id":' .. known .. tail then
  redis.call('HSET', identities, digest, known) -- a write, as whoever waits for replicas waits for his own writes only
  return known
end
if stored ~= old then return '' end
if old == '' and (redis.call('GET', gone) or '') ~= ARGV[15] then return '' end

local stays = old ~= '' and tail ~= '' and ref == new_ref and sha1 == new_sha1
local before = old ~= '' and redis.call('HGET', KEYS[13], sha1) or ''
local left = old == '' and '' or without(before, row_of(id, cell, time))
if not left then return redis.error_reply('DAMAGED ' .. KEYS[13] .. ' has no line of repo ' .. id) end
local others = tail ~= '' and not stays and redis.call('HGET', KEYS[19], new_sha1) or ''

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

local line = row_of(id, new_cell, new_time) .. '\n'
if stays then left = left .. line end
if old ~= '' then unindex(8, id, cell, time) end
if tail ~= '' then index(14, id, new_cell, new_time) end
if old ~= '' then
  set_lines(8, sha1, before, left)
  rank(8, ref, sha1, cell, left)
end
if tail ~= '' then
  if not stays then set_lines(14, new_sha1, others, others .. line) end
  rank(14, new_ref, new_sha1, new_cell, stays and left or others .. line)
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
