-- What a write needs to know about an identity.
-- KEYS    repos, identities, gone, next_id
-- ARGV    digest of the identity
-- Returns seconds and microseconds of the store's clock, the document or '', what is left of a deleted one or '',
--         whether the project has ever had a record (1 or 0)
local repos, identities, gone, next_id = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local digest = ARGV[1]

local now = redis.call('TIME')
local id = redis.call('HGET', identities, digest)
return {
  now[1], now[2],
  id and redis.call('HGET', repos, id) or '',
  redis.call('GET', gone) or '',
  redis.call('EXISTS', next_id),
}
