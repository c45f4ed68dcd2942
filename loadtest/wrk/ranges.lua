-- 64 KiB from anywhere in a file of 64 MiB; the same places for every server.
dofile("report.lua")

local head, size, length = nil, 67108864, 65536

init = function() head = wrk.format("GET"):sub(1, -3) .. "Range: bytes=%d-%d\r\n\r\n" end

request = function()
  local first = math.random(0, size - length)
  return string.format(head, first, first + length - 1)
end
