#!lua flags=allow-oom
-- Gives back keys of a build that the marker does not name.
-- KEYS: the marker, the set that lists what is given back, then the keys. ARGV: the build's generation, then the members to
-- strike off the set.
-- Answers the number of keys given back, or -1 without touching any if the marker is missing or names the build.
local stands = redis.call('HGET', KEYS[1], 'generation')
if not stands or stands == ARGV[1] then
  return -1
end
local removed = 0
for first = 3, #KEYS, 1000 do
  removed = removed + redis.call('UNLINK', unpack(KEYS, first, math.min(first + 999, #KEYS)))
end
for first = 2, #ARGV, 1000 do
  redis.call('SREM', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
return removed
