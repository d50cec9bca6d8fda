"""Sliding windows cut into 128 buckets: a request counts for its window's length and at most 1/128 (0.8 %) longer."""

from collections import deque

BUCKETS = 128


class Window:
    """The requests of one key within the last `seconds`, oldest bucket first. Time is unix seconds."""

    def __init__(self, seconds: int) -> None:
        self._width = seconds / BUCKETS
        self._seconds = seconds
        self._buckets: deque[list[int]] = deque()  # [index, requests]
        self._current = 0
        self.total = 0

    def advance(self, now: float) -> None:
        """Drop what is older than the window. A clock that goes back stands still here."""
        self._current = max(int(now / self._width), self._current)
        while self._buckets and self._buckets[0][0] < self._current - BUCKETS:
            self.total -= self._buckets.popleft()[1]

    def count(self) -> None:
        if self._buckets and self._buckets[-1][0] == self._current:
            self._buckets[-1][1] += 1
        else:
            self._buckets.append([self._current, 1])
        self.total += 1

    def reset_at(self, now: float) -> float:
        """When the oldest bucket stops counting."""
        return (self._buckets[0][0] + BUCKETS + 1) * self._width if self._buckets else now + self._seconds


# The same in Redis: one hash a key, with the fields <seconds>:total, :oldest, :newest and one a bucket. All windows are
# checked before one is counted, in one atomic script; the hash expires with its longest window.
LUA = """
local now, buckets = tonumber(ARGV[1]), tonumber(ARGV[2])
local windows, fits_all, longest = {}, true, 0
for i = 3, #ARGV, 2 do
  local limit, seconds = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  local name, width = ARGV[i + 1] .. ':', seconds / buckets
  local kept = redis.call('HMGET', KEYS[1], name .. 'total', name .. 'oldest', name .. 'newest')
  local total, oldest, newest = tonumber(kept[1]) or 0, tonumber(kept[2]), tonumber(kept[3])
  local current = math.max(math.floor(now / width), newest or 0)
  if newest and newest < current - buckets then
    for index = oldest, newest do redis.call('HDEL', KEYS[1], name .. index) end
    total, oldest = 0, nil
  end
  while oldest and total > 0 do
    local requests = tonumber(redis.call('HGET', KEYS[1], name .. oldest))
    if requests and oldest >= current - buckets then break end
    if requests then
      total = total - requests
      redis.call('HDEL', KEYS[1], name .. oldest)
    end
    oldest = oldest + 1
  end
  if total == 0 then oldest = nil end
  local fits = total < limit
  fits_all = fits_all and fits
  longest = math.max(longest, seconds)
  windows[#windows + 1] = {name = name, width = width, seconds = seconds, total = total, oldest = oldest,
    current = current, fits = fits}
end
local answer = {}
for _, w in ipairs(windows) do
  if fits_all then
    redis.call('HINCRBY', KEYS[1], w.name .. w.current, 1)
    w.total, w.oldest = w.total + 1, w.oldest or w.current
  end
  if w.oldest then
    redis.call('HSET', KEYS[1], w.name .. 'total', w.total, w.name .. 'oldest', w.oldest, w.name .. 'newest', w.current)
  else
    redis.call('HDEL', KEYS[1], w.name .. 'total', w.name .. 'oldest', w.name .. 'newest')
  end
  local reset_at = w.oldest and (w.oldest + buckets + 1) * w.width or now + w.seconds
  answer[#answer + 1] = {w.total, string.format('%.3f', reset_at), w.fits and 1 or 0}
end
if longest > 0 then redis.call('PEXPIRE', KEYS[1], math.ceil(longest * 1010)) end
return answer
"""
