#!lua flags=allow-oom
-- Starts a build over, if the marker still names the generation that the caller saw. It needs next to no memory, and where there
-- is none left it makes room: what an older build holds may be given back from then on.
-- KEYS: the marker, the set of generations ever begun. ARGV: the generation seen or nothing; then the new build's
-- incarnation, generation, format, offset and instant, and what the servers have thrown away by now.
-- Answers {BEGUN, marker} or {OTHER, marker}.
local function marker()
  return redis.call('HMGET', KEYS[1], 'incarnation', 'generation', 'format', 'offset', 'begun_at', 'applied_until')
end
local stands = marker()
if stands[1] == ARGV[2] and stands[2] == ARGV[3] and stands[3] == ARGV[4] then
  return { 'BEGUN', stands }
end
if (stands[2] or '') ~= ARGV[1] then
  return { 'OTHER', stands }
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'incarnation', ARGV[2], 'generation', ARGV[3], 'format', ARGV[4], 'offset', ARGV[5],
  'begun_at', ARGV[6], 'evicted', ARGV[7])
local listed = redis.pcall('SADD', KEYS[2], ARGV[3])
if type(listed) == 'table' then
  -- What something else wrote there must not keep a build from being begun.
  if string.find(listed.err, 'WRONGTYPE', 1, true) then
    redis.call('DEL', KEYS[2])
  end
  redis.call('SADD', KEYS[2], ARGV[3])
end
return { 'BEGUN', marker() }
