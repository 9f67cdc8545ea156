"""A new job: which photos, what to do with them, what it will take."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import streamlit as st
from shared.contracts.identity import Me

from ui.core import session, studio, when
from ui.core.api import ApiProblem
from ui.core.i18n import maybe, t
from ui.core.studio import FileFilter, JobDraft, Runner
from ui.core.trouble import show
from ui.parts import nav, press
from ui.parts.circle import circle
from ui.parts.studio_form import Settings, runner_title, settings_form
from ui.parts.studio_picker import JOB_FILES, Choice, choose_photos
from ui.parts.studio_words import count, money, span
from ui.parts.uploads import keep_files
from ui.parts.words import plain

_FRESH_S = 60.0
_MOST_AGAIN = 500


@dataclass(frozen=True)
class Given:
    """What a job that is run again brings; a name only when somebody gave it."""

    name: str = ""
    runner: str = ""
    params: dict[str, Any] | None = None
    inputs: tuple[str, ...] = ()
    space_id: str = ""


def new_job_page(like: str) -> None:
    """Everything on one page; one press runs it."""
    nav.link("studio", t("studio.back"), icon="arrow_back")
    st.markdown(f"# {t('studio.new')}", anchors=False)
    me = circle().me
    given = _given(like)
    runners = _runners()
    with st.container(border=True, key="card-photos", gap="small"):
        st.markdown(f"## {t('studio.photos')}", anchors=False)
        space_id = _space(me, given)
        mine = space_id == str(me.personal_space_id)
        choice = choose_photos(space_id, given.inputs, mine=mine, key=f"photos-{space_id}-{like}")
    with st.container(border=True, key="card-settings", gap="small"):
        st.markdown(f"## {t('studio.what')}", anchors=False)
        runner = _runner(runners, given)
        settings = settings_form(runner, given.params or {} if runner.name == given.runner else {})
    with st.container(border=True, key="card-run", gap="small"):
        draft = _details(runner, settings, space_id, given)
        _estimate(draft, settings, choice)
        _run(draft, settings, choice)


def _given(like: str) -> Given:
    """The settings and photos of an earlier job, read once for each visit of this page."""
    if not like:
        return Given()
    known: tuple[str, Given] | None = st.session_state.get("studio-like")
    if known is not None and known[0] == like:
        return known[1]
    api = session.api()
    try:
        job = studio.job(api, like)
        page = studio.tasks(api, like, size=_MOST_AGAIN)
    except ApiProblem as problem:
        if problem.status not in (404, 422):
            raise
        return Given()
    ids = tuple(row.input_path for row in page.tasks if row.input_path and _is_id(row.input_path))
    usual = _usual_name(job.runner, job.params, when.local(job.created_at).date())
    name = "" if job.name == usual else job.name
    given = Given(name, job.runner, job.params, ids, str(job.space_id))
    st.session_state["studio-like"] = (like, given)
    return given


def _is_id(path: str) -> bool:
    try:
        UUID(path)
    except ValueError:
        return False
    return True


def _runners() -> list[Runner]:
    """They change with the product, and with workers that come and go."""
    known: tuple[float, list[Runner]] | None = st.session_state.get("runners")
    if known is not None and time.monotonic() - known[0] < _FRESH_S:
        return known[1]
    found = studio.runners(session.api())
    st.session_state["runners"] = (time.monotonic(), found)
    return found


def _space(me: Me, given: Given) -> str:
    """Where the photos are and the results will be; with one space there is nothing to ask."""
    names = {
        str(space.id): t("space.personal") if space.id == me.personal_space_id else space.name
        for space in me.spaces
        if space.role != "viewer"
    }
    ids = list(names)
    mine = given.space_id if given.space_id in names else str(me.personal_space_id)
    if len(ids) < 2:
        return mine
    index = ids.index(mine) if mine in names else 0
    chosen = st.selectbox(t("compose.space"), ids, index=index, format_func=names.__getitem__, key="studio-space")
    return str(chosen)


def _runner(runners: list[Runner], given: Given) -> Runner:
    by_name = {runner.name: runner for runner in runners}
    names = list(by_name)
    first = given.runner if given.runner in by_name else names[0]
    chosen = st.segmented_control(
        t("studio.runner"),
        names,
        default=first,
        required=True,
        wrap=True,
        format_func=runner_title,
        label_visibility="collapsed",
        key="studio-runner",
    )
    runner = by_name[str(chosen)]
    about = maybe(f"runner.{runner.name}.about") or runner.description
    if about:
        st.caption(plain(about))
    return runner


def _details(runner: Runner, settings: Settings, space_id: str, given: Given) -> JobDraft:
    key = st.session_state.setdefault("studio-draft", uuid.uuid4().hex)
    file_results = st.toggle(t("studio.file_results"), key="studio-file-results")
    with st.expander(t("studio.details"), icon=":material/tune:", key="studio-details"):
        usual = given.name or _usual_name(runner.name, settings.params, when.today())
        name = st.text_input(t("studio.name"), placeholder=usual, max_chars=200, key="studio-name")
        priority = st.select_slider(
            t("studio.priority"),
            (-10, 0, 10),
            value=0,
            format_func=lambda n: t({-10: "studio.later", 0: "studio.normal", 10: "studio.sooner"}[n]),
            key="studio-priority",
        )
    return JobDraft(
        (name or "").strip() or usual, runner.name, settings.params, int(priority), bool(file_results), space_id, key
    )


def _usual_name(runner: str, params: Mapping[str, Any], day: date) -> str:
    """What is done, and when."""
    what = maybe(f"runner.{runner}.operation.{params.get('operation')}") or runner_title(runner)
    return f"{what} · {when.day_long(day)}"


def _estimate(draft: JobDraft, settings: Settings, choice: Choice) -> None:
    """Time and money before anything is spent; a guess that cannot be had stops nobody."""
    if not choice.count or settings.missing:
        return
    asked = (draft.runner, repr(sorted(draft.params.items())), draft.space_id, choice.count)
    known = st.session_state.get("studio-estimate")
    if known is None or known[0] != asked or time.monotonic() - known[1] > _FRESH_S:
        try:
            known = (asked, time.monotonic(), studio.estimate(session.api(), draft, choice.count))
        except ApiProblem:
            return
        st.session_state["studio-estimate"] = known
    found = known[2]
    if found.seconds is None:
        st.caption(f":material/schedule: {t('studio.estimate_unknown')}")
        return
    cost = t("studio.estimate_cost", cost=plain(money(found.cost_micros))) if found.cost_micros is not None else ""
    took = t("studio.estimate", time=span(found.seconds))
    alone = "" if found.workers_online else t("studio.estimate_alone")
    st.caption(f":material/schedule: {' '.join(filter(None, (took, cost, alone)))}")


def _run(draft: JobDraft, settings: Settings, choice: Choice) -> None:
    label = t("studio.run_none")
    if choice.count:
        label = t("studio.run_one") if choice.count == 1 else t("studio.run", n=count(choice.count))
    if not press.button(label, type="primary", icon=":material/play_arrow:", key="studio-run", width="stretch"):
        return
    if choice.waiting:
        st.warning(t("compose.still_sending", count=choice.waiting), icon=":material/hourglass_top:")
    elif not choice.count:
        st.warning(t("studio.choose_first"), icon=":material/photo_library:")
    elif settings.missing:
        st.warning(t("studio.missing", names=plain(", ".join(settings.missing))), icon=":material/tune:")
    else:
        _submit(draft, choice)


def _submit(draft: JobDraft, choice: Choice) -> None:
    try:
        job = studio.submit(session.api(), draft, choice.inputs)
    except ApiProblem as problem:
        show(problem, key="studio-run", retry=False)
        return
    if not isinstance(choice.inputs, FileFilter):
        keep_files(choice.inputs, JOB_FILES, st.session_state.to_dict())
    for name in ("studio-draft", "studio-like", "studio-name"):
        st.session_state.pop(name, None)
    st.session_state["said"] = t("studio.submitted")
    nav.go("studio", job=job.id)
