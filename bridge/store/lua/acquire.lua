-- Takes a lease that nobody holds. ARGV: prefix, lease key, how long (ms), who. Returns its token, "" if held.
-- The token starts with the fence: a number that grows with every holder.
if redis.call('EXISTS', ARGV[2]) == 1 then
  return ''
end
local token = redis.call('INCR', ARGV[1] .. ':fences') .. ' ' .. ARGV[4]
redis.call('SET', ARGV[2], token, 'PX', ARGV[3])
return token
