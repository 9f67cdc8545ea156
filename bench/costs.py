"""What a month in the cloud costs, by public list prices: `python -m bench.costs` prints the tables of docs/costs.md.

Every price and every assumption is a field with its unit in its name; change one and run it again. Free amounts are those of one billing account
that has nothing else in it. Nothing here is measured, and prices change: look at the addresses before you rely on a figure.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

CHECKED = "November 2026"
DOCUMENT = Path(__file__).parents[1] / "docs" / "costs.md"
_BEGIN, _END = "<!-- computed: python -m bench.costs --write -->", "<!-- end -->"
_DAYS = 30
_SECONDS = _DAYS * 86400


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars; `_free` is what costs nothing each month."""

    run_vcpu_s: float = 0.0000336
    """Cloud Run, request-based, a region of tier 2 such as asia-northeast3; 0.000024 in tier 1."""
    run_gib_s: float = 0.0000035
    run_requests_million: float = 0.40
    run_vcpu_s_free: float = 180_000
    run_gib_s_free: float = 360_000
    run_requests_free: float = 2_000_000
    run_egress_gib: float = 0.12
    run_egress_gib_free: float = 1
    pubsub_tib: float = 40
    pubsub_gib_free: float = 10
    pubsub_least_kb: float = 1
    tasks_million: float = 0.40
    tasks_free: float = 1_000_000
    scheduler_job: float = 0.10
    scheduler_free: float = 3
    secret_version: float = 0.06
    secret_versions_free: float = 6
    registry_gb: float = 0.10
    registry_gb_free: float = 0.5
    logging_gib: float = 0.50
    logging_gib_free: float = 50
    supabase_plan: float = 25
    """Pro, with 10 dollars of compute, which is the smallest size."""
    supabase_compute_credit: float = 10
    supabase_db_gb: float = 0.125
    supabase_db_gb_included: float = 8
    supabase_mau: float = 0.00325
    supabase_mau_included: float = 100_000
    r2_gb: float = 0.015
    r2_gb_free: float = 10
    r2_writes_million: float = 4.50
    r2_writes_free: float = 1_000_000
    r2_reads_million: float = 0.36
    r2_reads_free: float = 10_000_000
    qdrant_gib_ram: float = 30
    """Qdrant Cloud publishes a calculator and no list: a guess for each GiB of memory a month, to be replaced by its answer."""
    qdrant_gib_ram_free: float = 1
    chat_in_million: float = 0.40
    chat_out_million: float = 1.60
    embed_million: float = 0.13
    transcribe_minute: float = 0.003
    gpu_hour: float = 0.45


@dataclass(frozen=True, slots=True)
class Person:
    """What one active person does in a month, and what a service needs for it."""

    notes: float = 40
    photos: float = 60
    questions: float = 20
    searches: float = 40
    audio_minutes: float = 5
    sessions: float = 20
    """Times the web app is opened, each for `minutes`."""
    minutes: float = 6
    gpu_tasks: float = 20
    photo_mb: float = 3
    note_kb: float = 2
    egress_mb: float = 30
    """Through Cloud Run: pages and JSON. Files come from the bucket, whose egress is free."""
    months_kept: float = 12
    """For how many months what is recorded has piled up."""
    with_model: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    """What the product needs for one thing, of our own measurements and counts where there are some."""

    request_s: float = 0.05
    """An api request, with the database's part. Each is counted alone, though an instance serves many at once."""
    requests_session: float = 120
    pages_instance: float = 20
    """Open pages that one instance of the web app serves: half of its limit, for people come at the same hours."""
    answer_s: float = 6
    ingest_note_s: float = 1.0
    ingest_photo_s: float = 4.0
    messages_entry: float = 3
    commands_entry: float = 2
    sweeps_s: float = 0.2
    """Each minute's sweep of each of three services keeps an instance for so long."""
    chat_in_entry: float = 1_500
    chat_out_entry: float = 250
    chat_in_question: float = 4_000
    chat_out_question: float = 400
    embed_entry: float = 600
    chunks_entry: float = 2
    vector_dimensions: float = 3_072
    vector_overhead: float = 1.5
    vectors_in_memory: float = 1.0
    """Of the dense vectors, the part that the server holds in memory: all of them, as collections are made today."""
    log_kb_request: float = 1.0
    db_kb_entry: float = 24
    """Rows, versions, chunks, indexes."""
    images_gb: float = 2.5
    """Five images, some releases."""
    secrets: float = 10
    gpu_task_s: float = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill, with its arithmetic."""

    what: str
    dollars: float
    how: str


def bill(people: int, prices: Prices, person: Person, work: Work) -> list[Line]:
    """A month of an installation with so many active people; 0 is one that nobody uses."""
    entries = people * (person.notes + person.photos)
    return [
        _cloud_run(people, prices, person, work),
        _egress(people, prices, person),
        _pubsub(entries, prices, work),
        _tasks(entries, prices, work),
        _small(prices, work),
        _logging(people, prices, person, work),
        _supabase(people, entries, prices, person, work),
        _r2(people, prices, person),
        _qdrant(entries, prices, person, work),
        _models(people, entries, prices, person, work),
        _gpus(people, prices, person, work),
    ]


def total(lines: list[Line]) -> float:
    """The sum, in dollars."""
    return sum(line.dollars for line in lines)


def _over(amount: float, free: float) -> float:
    return max(0.0, amount - free)


def _requests(people: int, person: Person, work: Work) -> float:
    return people * (person.sessions * work.requests_session + person.questions + person.searches)


def _sweeps() -> float:
    return 3 * _SECONDS / 60


def _cloud_run(people: int, prices: Prices, person: Person, work: Work) -> Line:
    # (instance seconds, GiB of that service)
    api = _requests(people, person, work) * work.request_s + people * person.questions * work.answer_s
    pages = _SECONDS * _instances(people * person.sessions * person.minutes * 60 / _SECONDS, work.pages_instance)
    ingest = people * (person.notes * work.ingest_note_s + person.photos * work.ingest_photo_s)
    sweeps = _sweeps() * work.sweeps_s
    vcpu_s = api + pages + ingest + sweeps
    gib_s = api * 1 + pages * 0.5 + ingest * 2 + sweeps * (1 + 2 + 0.5) / 3
    requests = _requests(people, person, work) + _sweeps()
    dollars = (
        _over(vcpu_s, prices.run_vcpu_s_free) * prices.run_vcpu_s
        + _over(gib_s, prices.run_gib_s_free) * prices.run_gib_s
        + _over(requests, prices.run_requests_free) / 1e6 * prices.run_requests_million
    )
    return Line("Cloud Run", dollars, f"{vcpu_s:,.0f} vCPU-s, {gib_s:,.0f} GiB-s, {requests:,.0f} requests")


def _instances(open_pages: float, each: float) -> float:
    """How many instances are there on average when so many pages are open on average, independently of each other: one whenever any is."""
    return max(1 - math.exp(-open_pages), open_pages / each)


def _egress(people: int, prices: Prices, person: Person) -> Line:
    gib = people * person.egress_mb / 1024
    return Line("Egress", _over(gib, prices.run_egress_gib_free) * prices.run_egress_gib, f"{gib:,.1f} GiB")


def _pubsub(entries: float, prices: Prices, work: Work) -> Line:
    # Published once, pushed once.
    gib = entries * work.messages_entry * 2 * prices.pubsub_least_kb / 1024**2
    return Line("Pub/Sub", _over(gib, prices.pubsub_gib_free) / 1024 * prices.pubsub_tib, f"{gib:,.2f} GiB")


def _tasks(entries: float, prices: Prices, work: Work) -> Line:
    # Made once, called once.
    operations = entries * work.commands_entry * 2
    return Line(
        "Cloud Tasks",
        _over(operations, prices.tasks_free) / 1e6 * prices.tasks_million,
        f"{operations:,.0f} operations",
    )


def _small(prices: Prices, work: Work) -> Line:
    dollars = (
        _over(3, prices.scheduler_free) * prices.scheduler_job
        + _over(work.secrets, prices.secret_versions_free) * prices.secret_version
        + _over(work.images_gb, prices.registry_gb_free) * prices.registry_gb
    )
    return Line(
        "Scheduler, secrets, images", dollars, f"3 jobs, {work.secrets:.0f} secrets, {work.images_gb} GB of images"
    )


def _logging(people: int, prices: Prices, person: Person, work: Work) -> Line:
    gib = (_requests(people, person, work) + _sweeps()) * work.log_kb_request / 1024**2
    return Line("Logging", _over(gib, prices.logging_gib_free) * prices.logging_gib, f"{gib:,.1f} GiB")


# Dollars a month, and people for whom it is large enough by its memory and connections (docs/capacity.md).
_COMPUTE = ((10, 500), (15, 2_000), (60, 6_000), (110, 15_000), (210, 40_000), (410, 100_000), (960, 250_000))


def _supabase(people: int, entries: float, prices: Prices, person: Person, work: Work) -> Line:
    gb = entries * person.months_kept * work.db_kb_entry / 1024**2
    if not people:
        return Line("Supabase", prices.supabase_plan, "Pro; the free plan pauses what nobody uses for a week")
    compute = next((dollars for dollars, most in _COMPUTE if people <= most), _COMPUTE[-1][0])
    dollars = (
        prices.supabase_plan
        + _over(compute, prices.supabase_compute_credit)
        + _over(gb, prices.supabase_db_gb_included) * prices.supabase_db_gb
        + _over(people, prices.supabase_mau_included) * prices.supabase_mau
    )
    return Line("Supabase", dollars, f"Pro, compute {compute} $, {gb:,.1f} GB")


def _r2(people: int, prices: Prices, person: Person) -> Line:
    gb = people * person.photos * person.photo_mb * 1.15 * person.months_kept / 1000
    writes = people * person.photos * 4
    reads = people * person.sessions * 60
    dollars = (
        _over(gb, prices.r2_gb_free) * prices.r2_gb
        + _over(writes, prices.r2_writes_free) / 1e6 * prices.r2_writes_million
        + _over(reads, prices.r2_reads_free) / 1e6 * prices.r2_reads_million
    )
    return Line("R2", dollars, f"{gb:,.0f} GB, {writes:,.0f} writes, {reads:,.0f} reads")


def _qdrant(entries: float, prices: Prices, person: Person, work: Work) -> Line:
    dimensions = work.vector_dimensions if person.with_model else 0
    points = entries * person.months_kept * work.chunks_entry
    dense = points * dimensions * 4 * work.vector_overhead / 1024**3
    # Words, fields and graph: some hundred bytes for each point.
    ram = dense * work.vectors_in_memory + points * 300 / 1024**3
    billed = 0 if ram <= prices.qdrant_gib_ram_free else math.ceil(ram)
    return Line("Qdrant Cloud", billed * prices.qdrant_gib_ram, f"{points:,.0f} points, {ram:,.1f} GiB of memory")


def _models(people: int, entries: float, prices: Prices, person: Person, work: Work) -> Line:
    if not person.with_model or not people:
        return Line("Language model", 0, "none")
    questions = people * person.questions
    chat_in = entries * work.chat_in_entry + questions * work.chat_in_question
    chat_out = entries * work.chat_out_entry + questions * work.chat_out_question
    dollars = (
        chat_in / 1e6 * prices.chat_in_million
        + chat_out / 1e6 * prices.chat_out_million
        + entries * work.embed_entry / 1e6 * prices.embed_million
        + people * person.audio_minutes * prices.transcribe_minute
    )
    return Line("Language model", dollars, f"{chat_in / 1e6:,.1f} M tokens in, {chat_out / 1e6:,.1f} M out")


def _gpus(people: int, prices: Prices, person: Person, work: Work) -> Line:
    hours = people * person.gpu_tasks * work.gpu_task_s / 3600
    return Line("Rented GPUs", hours * prices.gpu_hour, f"{hours:,.1f} hours")


SIZES = (("nobody", 0), ("100 people", 100), ("10,000 people", 10_000))


def tables(prices: Prices, person: Person, work: Work) -> Iterator[str]:
    """Markdown: the bill for each size, then everything it follows from."""
    bills = [bill(people, prices, person, work) for _, people in SIZES]
    yield "| a month, in US dollars | " + " | ".join(name for name, _ in SIZES) + " |"
    yield "|---|" + "---:|" * len(SIZES)
    for lines in zip(*bills, strict=True):
        yield f"| {lines[0].what} | " + " | ".join(f"{line.dollars:,.2f}" for line in lines) + " |"
    yield "| **together** | " + " | ".join(f"**{total(lines):,.2f}**" for lines in bills) + " |"
    per_head = (
        f"{total(lines) / people:.2f}" if people else "–" for lines, (_, people) in zip(bills, SIZES, strict=True)
    )
    yield "| for each person | " + " | ".join(per_head) + " |"
    yield ""
    yield "| how it comes about | " + " | ".join(name for name, _ in SIZES) + " |"
    yield "|---|" + "---|" * len(SIZES)
    for lines in zip(*bills, strict=True):
        yield f"| {lines[0].what} | " + " | ".join(line.how for line in lines) + " |"
    yield ""
    yield from _levers(prices, person, work)
    for title, group in (("a person", person), ("the product", work), ("prices", prices)):
        yield ""
        yield f"| {title} | |"
        yield "|---|---:|"
        for field in fields(group):
            yield f"| `{field.name}` | {_plain(getattr(group, field.name))} |"


def _levers(prices: Prices, person: Person, work: Work) -> Iterator[str]:
    """What the whole becomes when one thing is otherwise."""
    otherwise = (
        ("as above", prices, person, work),
        ("512 dimensions (`MARU_EMBEDDING_DIMENSIONS`)", prices, person, replace(work, vector_dimensions=512)),
        ("dense vectors on the server's disk", prices, person, replace(work, vectors_in_memory=0.1)),
        ("without a language model", prices, replace(person, with_model=False), work),
        ("a region of tier 1", replace(prices, run_vcpu_s=0.000024, run_gib_s=0.0000025), person, work),
        ("twice as many photos", prices, replace(person, photos=2 * person.photos), work),
    )
    yield "| together, if one thing is otherwise | " + " | ".join(name for name, _ in SIZES) + " |"
    yield "|---|" + "---:|" * len(SIZES)
    for name, its_prices, its_person, its_work in otherwise:
        sums = (total(bill(people, its_prices, its_person, its_work)) for _, people in SIZES)
        yield f"| {name} | " + " | ".join(f"{dollars:,.2f}" for dollars in sums) + " |"


def _plain(value: float | bool) -> str:
    return str(value) if isinstance(value, bool) else f"{value:.7f}".rstrip("0").rstrip(".")


def document(text: str, computed: str) -> str:
    """The document with its computed part replaced."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{computed}\n\n{_END}{after}"


def main() -> int:
    """Print, or write into the document."""
    computed = "\n".join(tables(Prices(), Person(), Work()))
    if "--write" in sys.argv[1:]:
        DOCUMENT.write_text(document(DOCUMENT.read_text(), computed))
    else:
        sys.stdout.write(computed + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
