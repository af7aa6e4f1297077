-- Takes one out of each bucket (KEYS), or none at all where one of them is empty. A key holds the instant, in µs, at
-- which its bucket is full again. ARGV: quota and window in µs of each.
-- Answers 0 and, of each bucket, what is left and in how many µs it is full; or the number of the empty bucket and in
-- how many µs there is one again. Redis's own clock: replicas' clocks differ.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local busy, answer = {}, {0}
for i, key in ipairs(KEYS) do
  local quota, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local step = math.max(math.floor(window / quota), 1)
  local span = step * quota
  busy[i] = math.max(tonumber(redis.call('GET', key) or '0') - now, 0) + step
  if busy[i] > span then
    return {i, busy[i] - span}
  end
  answer[2 * i] = math.floor((span - busy[i]) / step)
  answer[2 * i + 1] = busy[i]
end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.0f', now + busy[i]), 'PX', math.ceil(busy[i] / 1000))
end
return answer
