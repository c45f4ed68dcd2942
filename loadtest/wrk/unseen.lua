-- Every target is new, so nothing remembered about an earlier request can answer it. The count begins anew with each
-- run of wrk, so the time of day makes the runs differ.
dofile("report.lua")

local head, count, begin = nil, 0, os.time()

init = function()
  head = wrk.format("GET", wrk.path .. "?SEEN"):gsub("%%", "%%%%"):gsub("SEEN", "n=%%d-%%d")
end

request = function()
  count = count + 1
  return string.format(head, begin, count)
end
