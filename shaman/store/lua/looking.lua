-- Included by the scripts that look at many parts of the store in one moment.
-- A command is its name, the number of its further arguments, and these; its key stands apart, in KEYS.
--@include profiles

-- What of a hash or a sorted set is asked of a key of another type is not there.
local run
function run(key, name, arguments)
  if name == 'PROFILE' then -- of the sha1 in these rows: its member of the profiles
    local lines = run(key, 'HGET', arguments)
    return lines and profile_member(lines, arguments[1])
  end
  local reply = redis.pcall(name, key, unpack(arguments))
  if type(reply) ~= 'table' then return reply end
  if reply.err then
    if string.find(tostring(reply.err), 'WRONGTYPE', 1, true) then return false end
    error(tostring(reply.err))
  end
  return reply.ok or reply
end

-- Runs `count` commands that begin at KEYS[key] and ARGV[argument]; returns their replies, and where the next begins.
local function run_each(count, key, argument)
  local replies = {}
  for index = 1, count do
    local name, length = ARGV[argument], tonumber(ARGV[argument + 1])
    replies[index] = run(KEYS[key + index - 1], name, {unpack(ARGV, argument + 2, argument + 1 + length)})
    argument = argument + 2 + length
  end
  return replies, argument
end
