-- Notes that a project may have records.
-- KEYS    projects
-- ARGV    project
redis.call('SREM', KEYS[1], '') -- a server that is full lets a script end that has begun with what frees memory
redis.call('SADD', KEYS[1], ARGV[1])
