-- Archived replies of the venues and runs that gave snapshot $id: a row per folder, file.

select
    payloads.venue,
    payloads.folder,
    payloads.file,
    payloads.name,
    payloads.book,
    payloads.sha256
from ops.payloads as payloads
inner join core.snapshot_venues as members on payloads.run_id = members.run_id and members.snapshot_id = $id
where (payloads.venue = members.venue or members.origin = 'import') and payloads.status = 200
order by payloads.folder, payloads.file
