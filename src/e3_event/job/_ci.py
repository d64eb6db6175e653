"""What a CI system says of the job that it runs: by the variables that it documents, never over the network.

GitHub Actions: https://docs.github.com/en/actions/reference/workflows-and-actions/variables
GitLab CI: https://docs.gitlab.com/ci/variables/predefined_variables
Jenkins: https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables, and the page
`env-vars.html` of each server; the git plugin: https://plugins.jenkins.io/git/#environment-variables
Buildkite: https://buildkite.com/docs/pipelines/configure/environment-variables
Buildbot: https://docs.buildbot.net/current/manual/configuration/properties.html#common-build-properties.
It sets no variables by itself. A builder's `env` can give these properties to its steps; the usual names for
them are `BUILDBOT_` and the property in capitals.
"""

from __future__ import annotations

import re

from e3_event._redact import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: System -> the variable that shows it with the beginning of its value, and key -> where its value stands.
#: `{...}` is a variable; of several texts the first counts whose variables are all there.
SYSTEMS = {
    "github-actions": (
        ("GITHUB_ACTIONS", "true"),
        {
            "pipeline": ("{GITHUB_WORKFLOW}",),
            "build": ("{GITHUB_RUN_ID}",),
            "attempt": ("{GITHUB_RUN_ATTEMPT}",),
            "job": ("{GITHUB_JOB}",),
            "url": ("{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",),
            "repository": ("{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}",),
            "commit": ("{GITHUB_SHA}",),
            "branch": ("{GITHUB_HEAD_REF}", "{GITHUB_REF}"),
            "tag": ("{GITHUB_REF}",),
            "runner": ("{RUNNER_NAME}",),
        },
    ),
    "gitlab-ci": (
        ("GITLAB_CI", "true"),
        {
            "pipeline": ("{CI_PROJECT_PATH}",),
            "build": ("{CI_PIPELINE_ID}",),
            "job": ("{CI_JOB_NAME}",),
            "job_id": ("{CI_JOB_ID}",),
            "url": ("{CI_JOB_URL}", "{CI_PIPELINE_URL}"),
            "repository": ("{CI_PROJECT_URL}",),
            "commit": ("{CI_COMMIT_SHA}",),
            "branch": ("{CI_MERGE_REQUEST_SOURCE_BRANCH_NAME}", "{CI_COMMIT_BRANCH}"),
            "tag": ("{CI_COMMIT_TAG}",),
            "runner": ("{CI_RUNNER_DESCRIPTION}", "{CI_RUNNER_ID}"),
        },
    ),
    "jenkins": (
        ("BUILD_TAG", "jenkins-"),
        {
            "pipeline": ("{JOB_NAME}",),
            "build": ("{BUILD_NUMBER}",),
            "job": ("{STAGE_NAME}",),
            "url": ("{BUILD_URL}",),
            "repository": ("{GIT_URL}",),
            "commit": ("{GIT_COMMIT}",),
            "branch": ("{CHANGE_BRANCH}", "{BRANCH_NAME}", "{GIT_LOCAL_BRANCH}", "{GIT_BRANCH}"),
            "tag": ("{TAG_NAME}",),
            "runner": ("{NODE_NAME}",),
        },
    ),
    "buildkite": (
        ("BUILDKITE", "true"),
        {
            "pipeline": ("{BUILDKITE_ORGANIZATION_SLUG}/{BUILDKITE_PIPELINE_SLUG}",),
            "build": ("{BUILDKITE_BUILD_ID}",),
            "attempt": ("{BUILDKITE_RETRY_COUNT}",),
            "job": ("{BUILDKITE_STEP_KEY}", "{BUILDKITE_LABEL}"),
            "job_id": ("{BUILDKITE_JOB_ID}",),
            "url": ("{BUILDKITE_BUILD_URL}#{BUILDKITE_JOB_ID}", "{BUILDKITE_BUILD_URL}"),
            "repository": ("{BUILDKITE_REPO}",),
            "commit": ("{BUILDKITE_COMMIT}",),
            "branch": ("{BUILDKITE_BRANCH}",),
            "tag": ("{BUILDKITE_TAG}",),
            "runner": ("{BUILDKITE_AGENT_NAME}",),
        },
    ),
    "buildbot": (
        ("BUILDBOT_BUILDERNAME", ""),
        {
            "pipeline": ("{BUILDBOT_BUILDERNAME}",),
            "build": ("{BUILDBOT_BUILDNUMBER}",),
            "url": ("{BUILDBOT_BUILDBOTURL}#/builders/{BUILDBOT_BUILDERID}/builds/{BUILDBOT_BUILDNUMBER}",),
            "repository": ("{BUILDBOT_REPOSITORY}",),
            "commit": ("{BUILDBOT_GOT_REVISION}", "{BUILDBOT_REVISION}"),
            "branch": ("{BUILDBOT_BRANCH}",),
            "runner": ("{BUILDBOT_WORKERNAME}",),
        },
    ),
}
#: Systems that count attempts from 0.
_FROM_ZERO = ("buildkite",)
#: Longer values are cut.
_LONGEST = 1000


def ci_of(environment: Mapping[str, str]) -> dict[str, str | int]:
    """Return what the CI system says, under the same keys for all; empty: there is none, or it is not known.

    Secrets are masked, and names and passwords in URLs are left out.

    :return: `system`, and as far as it says: `pipeline` (what is built), `build` (which time, unique in its
        pipeline), `attempt` (from 1), `job` and `job_id` (which part of the build), `url`, `repository`,
        `commit`, `branch` or `tag`, `runner`
    """
    present = {name: value for name, value in environment.items() if value}
    for system, ((sign, beginning), places) in SYSTEMS.items():
        if sign in present and present[sign].startswith(beginning):
            return _told(system, places, present)
    return {}


def _told(
    system: str, places: Mapping[str, tuple[str, ...]], environment: Mapping[str, str]
) -> dict[str, str | int]:
    told: dict[str, str | int] = {"system": system}
    for key, texts in places.items():
        text = _first(texts, environment)
        if key in ("branch", "tag"):
            text = _named(text, "refs/heads/" if key == "branch" else "refs/tags/")
        if key == "attempt" and text.isdecimal():
            told[key] = int(text[:9]) + (system in _FROM_ZERO)
        elif text:
            told[key] = _clean(text)
    if "tag" in told:  # some name it as the branch, too
        told.pop("branch", None)
    return told


def _first(texts: tuple[str, ...], environment: Mapping[str, str]) -> str:
    for text in texts:
        try:
            return text.format_map(environment)
        except KeyError:
            pass
    return ""


def _named(ref: str, kind: str) -> str:
    """The name of a branch or tag; empty: the ref is of another kind."""
    name = ref.removeprefix(kind)
    return "" if name.startswith("refs/") else name.removeprefix("origin/")  # Jenkins tells of the remote's


def _clean(text: str) -> str:
    shown = redact(re.sub(r"(https?://)[^/?#\s]*@", r"\1", text))
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} [cut]"
