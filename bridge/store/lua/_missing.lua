-- Included before other scripts. Returns how many events were accepted, and how many of them are neither folded nor
-- there to be: more than 0 where the event log lost some, less where its counters fell. While anything is to be
-- folded that cannot be told, and is 0.
local function missing(prefix)
  local counters = prefix .. ':counters'
  local accepted = tonumber(redis.call('HGET', counters, 'accepted') or 0)
  local left = accepted - tonumber(redis.call('HGET', counters, 'folded') or 0)
  if left > 0 then
    for _, directory in ipairs(redis.call('SMEMBERS', prefix .. ':directories')) do
      local cursor = redis.call('GET', prefix .. ':cursor:' .. directory) or '0-0'
      if redis.call('XRANGE', prefix .. ':journal:' .. directory, '(' .. cursor, '+', 'COUNT', 1)[1] then
        return accepted, 0
      end
    end
  end
  return accepted, left
end
