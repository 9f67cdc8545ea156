"""Studio: many pictures through one runner, watched as it goes. The address names what is shown."""

from ui.parts import nav
from ui.parts.studio_job import job_page
from ui.parts.studio_jobs import jobs_page
from ui.parts.studio_new import new_job_page


def render() -> None:
    job_id = nav.asked("job")
    if job_id:
        job_page(job_id)
    elif nav.asked("new"):
        new_job_page(nav.asked("like"))
    else:
        jobs_page()
