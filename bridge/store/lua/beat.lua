-- Tells that a worker lives in these data, if they are the ones it knows, and no event is missing in them.
-- ARGV: prefix, their epoch, least beat, least number of accepted events.
-- Beats never go back, whatever the clock does. Returns the epoch, the beat and 1; 0 where nothing was written.
-- Then the number of accepted events.
local prefix = ARGV[1]
local epoch = redis.call('GET', prefix .. ':epoch') or ''
local beat = tonumber(redis.call('GET', prefix .. ':beat') or 0)
local accepted, lost = missing(prefix)
if epoch ~= ARGV[2] or beat < tonumber(ARGV[3]) or accepted < tonumber(ARGV[4]) or lost ~= 0 then
  return {epoch, string.format('%.0f', beat), 0, accepted}
end
local time = redis.call('TIME')
beat = math.max(beat, time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('SET', prefix .. ':beat', string.format('%.0f', beat))
return {epoch, string.format('%.0f', beat), 1, accepted}
