#!lua flags=allow-oom
-- Questions about one build, answered with the marker of the same instant.
-- It only reads, and still is not flagged no-writes: so a replica refuses it, and what a decision rests on comes from a master.
-- KEYS: the marker, then one key for each question. ARGV: incarnation, generation, format; then for each question its
-- command, the number of the command's further arguments, and these.
-- Answers {marker, answer...}; {marker} alone if it names another build.
local marker = redis.call('HMGET', KEYS[1], 'incarnation', 'generation', 'format', 'offset', 'begun_at', 'applied_until')
if marker[1] ~= ARGV[1] or marker[2] ~= ARGV[2] or marker[3] ~= ARGV[3] then
  return { marker }
end
local answers, at = { marker }, 4
for key = 2, #KEYS do
  local last = at + 1 + tonumber(ARGV[at + 1])
  answers[key] = redis.call(ARGV[at], KEYS[key], unpack(ARGV, at + 2, last))
  at = last + 1
end
return answers
