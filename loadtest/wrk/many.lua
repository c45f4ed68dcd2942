-- 10,000 files in an order that no cache of recent ones can follow: the step has no divisor in common with 10,000.
dofile("report.lua")

local number, requests = 0, {}

init = function()
  for i = 0, 9999 do requests[i] = wrk.format("GET", string.format("%s%d.bin", wrk.path, i)) end
end

request = function()
  number = (number + 3001) % 10000
  return requests[number]
end
