-- Included before other scripts. Rings for a job unless a ring for it is still unheard (DESIGN.md: fresh ids,
-- since arq drops a job whose id it has seen). The job is written as arq 0.28 reads it with a JSON serializer.
-- Its score is a count and no time: arq takes a job once its worker's own clock has passed the score (unix ms), so
-- a worker whose clock is set back would take none of them. A count is passed by any clock, and keeps their order.
local function ring(prefix, job, subject, now)
  if not redis.call('SET', prefix .. ':bell:' .. job .. ':' .. subject, now, 'NX', 'PX', 5000) then
    return 0
  end
  local number = redis.call('INCR', prefix .. ':rings')
  local id = prefix .. ':' .. job .. ':' .. number
  local body = cjson.encode({t = cjson.null, f = job, a = {subject}, k = {}, et = tonumber(now)})
  redis.call('SET', 'arq:job:' .. id, body, 'PX', 2592000000)
  redis.call('ZADD', prefix .. ':queue', number, id)
  return 1
end
