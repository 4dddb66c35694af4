-- Reads many parts of the store in one moment.
-- KEYS    the key of each read
-- ARGV    1 number of reads, 2... the reads (as looking.lua has them)
-- Returns the reply to each
--@include looking
return (run_each(tonumber(ARGV[1]), 1, 2))
