-- Puts a copy of a stream in its place. Rows that were added since the copy was made are copied, too, and the
-- next row's id will be as if nothing had been.
-- ARGV: copy, stream, last row that was looked at for the copy. Returns how many rows were added since.
local copy, stream, last, added = ARGV[1], ARGV[2], ARGV[3], 0
for _, row in ipairs(redis.call('XRANGE', stream, '(' .. last, '+')) do
  redis.call('XADD', copy, row[1], unpack(row[2]))
  added = added + 1
end
if added == 0 and redis.call('EXISTS', copy) == 0 then
  return redis.call('XTRIM', stream, 'MAXLEN', 0) * 0 -- nothing is left, but the ids that were given
end
local told = redis.call('XINFO', 'STREAM', stream)
for at = 1, #told, 2 do
  if told[at] == 'last-generated-id' then
    redis.call('XSETID', copy, told[at + 1])
  end
end
local left = redis.call('PTTL', stream)
if left > 0 then
  redis.call('PEXPIRE', copy, left)
else
  redis.call('PERSIST', copy)
end
redis.call('RENAME', copy, stream)
return added
