-- Writes if many parts of the store are still as they were read, and tells that anything may have changed.
-- KEYS    the key of each read, then of each write
-- ARGV    1 number of reads, 2 of writes, 3 what the reads gave (as `flat` writes it), 4 channel, 5 what to publish,
--         6... the reads, then the writes (as looking.lua has them)
-- Returns 1, or 0 when a read gives something else by now: look again
--@include looking
local reads, writes, expected = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]

local function flat(reply)
  if type(reply) == 'table' then
    local parts = {}
    for index = 1, #reply do parts[index] = flat(reply[index]) end
    return '*' .. #reply .. '\n' .. table.concat(parts)
  end
  if not reply then return '-\n' end
  return (type(reply) == 'number' and ':' or '$' .. #reply .. ' ') .. reply .. '\n'
end

local replies, argument = run_each(reads, 1, 6)
if flat(replies) ~= expected then return 0 end
run_each(writes, reads + 1, argument)
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
