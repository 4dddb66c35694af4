-- What a write needs to know about the build that it means.
-- KEYS    builds, next_build_id, build_identities, build_queued
-- ARGV    digest of the identity, the two places where a queued build may wait for it
-- Returns seconds and microseconds of the store's clock, the document or '',
--         whether the project has ever had a build (1 or 0)
--@include wanted
local builds, next_build_id, identities, queued = unpack(KEYS)
local digest, place, any_cell = unpack(ARGV)

local now = redis.call('TIME')
local id = find_wanted(identities, queued, digest, {place, any_cell})
return {now[1], now[2], id and redis.call('HGET', builds, id) or '', redis.call('EXISTS', next_build_id)}
