-- Gives a directory's lease back unless something is unread. ARGV: lease key, token, journal, cursor key.
-- Returns 1 when given back (or lost already), 0 when there is more to read.
if redis.call('GET', ARGV[1]) ~= ARGV[2] then
  return 1
end
local cursor = redis.call('GET', ARGV[4]) or '0-0' -- its row may have been erased: what counts is what follows
if redis.call('XRANGE', ARGV[3], '(' .. cursor, '+', 'COUNT', 1)[1] then
  return 0
end
redis.call('DEL', ARGV[1])
return 1
