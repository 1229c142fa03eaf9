-- Tells that a worker lives in these data, if they are the ones it knows. ARGV: prefix, their epoch, least beat.
-- Beats never go back, whatever the clock does. Returns the epoch, the beat and 1; 0 where nothing was written.
local prefix = ARGV[1]
local epoch = redis.call('GET', prefix .. ':epoch') or ''
local beat = tonumber(redis.call('GET', prefix .. ':beat') or 0)
if epoch ~= ARGV[2] or beat < tonumber(ARGV[3]) then
  return {epoch, string.format('%.0f', beat), 0}
end
local time = redis.call('TIME')
beat = math.max(beat, time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('SET', prefix .. ':beat', string.format('%.0f', beat))
return {epoch, string.format('%.0f', beat), 1}
