-- Tells Redis' own time, and the latest time of arrival that any receiver has given.
-- ARGV: where that is kept, the latest that this receiver has given (unix ms, 0: none).
-- Returns seconds, microseconds, the latest.
local now, latest = redis.call('TIME'), redis.call('GET', ARGV[1]) or '0'
if tonumber(ARGV[2]) > tonumber(latest) then
  latest = ARGV[2]
  redis.call('SET', ARGV[1], latest)
end
return {now[1], now[2], latest}
