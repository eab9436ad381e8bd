#!lua
-- Applies the changelog from one offset up to another to one build, once.
-- KEYS: the marker, the set of clock names, then one key for each step. ARGV: incarnation, generation, format, from, to,
-- applied_until or nothing; then for each step its command, the number of the command's further arguments, and these.
-- The step PRUNE strikes a clock's name (its argument) off the set if the clock (its key) has no members left.
-- Answers {APPLIED}, {ALREADY}, {GAP, marker} or {FOREIGN, marker}.
local marker = redis.call('HMGET', KEYS[1], 'incarnation', 'generation', 'format', 'offset', 'begun_at', 'applied_until')
if marker[1] ~= ARGV[1] or marker[2] ~= ARGV[2] or marker[3] ~= ARGV[3] then
  return { 'FOREIGN', marker }
end
local from, to, stands = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(marker[4])
if stands < from then
  return { 'GAP', marker }
end
if stands <= to and ARGV[6] ~= '' and (not marker[6] or tonumber(marker[6]) < tonumber(ARGV[6])) then
  redis.call('HSET', KEYS[1], 'applied_until', ARGV[6])
end
if stands >= to then
  return { 'ALREADY' }
end
local at = 7
for key = 3, #KEYS do
  local command, last = ARGV[at], at + 1 + tonumber(ARGV[at + 1])
  if command == 'PRUNE' then
    if redis.call('EXISTS', KEYS[key]) == 0 then
      redis.call('SREM', KEYS[2], ARGV[last])
    end
  else
    -- Lua's stack bounds how much one call can take; the slice is even, for fields come with values and members with scores.
    for first = at + 2, last, 1000 do
      redis.call(command, KEYS[key], unpack(ARGV, first, math.min(first + 999, last)))
    end
  end
  at = last + 1
end
redis.call('HSET', KEYS[1], 'offset', ARGV[5])
return { 'APPLIED' }
