"""What CI systems say by their documented variables, under the same keys."""

from __future__ import annotations

import pytest

from e3_event.job._ci import SYSTEMS, ci_of

COMMIT = "ffac537e6cbbf934b08745a378932722df287a53"

#: System -> variables with values as its documentation gives them, and what an event says.
EXAMPLES: dict[str, tuple[dict[str, str], dict[str, str | int]]] = {
    "github-actions": (
        {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_HEAD_REF": "",
            "GITHUB_JOB": "greeting_job",
            "GITHUB_REF": "refs/heads/feature-branch-1",
            "GITHUB_REF_NAME": "feature-branch-1",
            "GITHUB_REPOSITORY": "octocat/Hello-World",
            "GITHUB_RUN_ATTEMPT": "3",
            "GITHUB_RUN_ID": "1658821493",
            "GITHUB_RUN_NUMBER": "17",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": COMMIT,
            "GITHUB_TOKEN": "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
            "GITHUB_WORKFLOW": "My test workflow",
            "RUNNER_NAME": "Hosted Agent",
        },
        {
            "pipeline": "My test workflow",
            "build": "1658821493",
            "attempt": 3,
            "job": "greeting_job",
            "url": "https://github.com/octocat/Hello-World/actions/runs/1658821493",
            "repository": "https://github.com/octocat/Hello-World",
            "commit": COMMIT,
            "branch": "feature-branch-1",
            "runner": "Hosted Agent",
        },
    ),
    "gitlab-ci": (
        {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_COMMIT_BRANCH": "main",
            "CI_COMMIT_REF_NAME": "main",
            "CI_COMMIT_SHA": COMMIT,
            "CI_JOB_ID": "50",
            "CI_JOB_NAME": "spec:other",
            "CI_JOB_TOKEN": "glcbt-64_abcdefghij1234567890",
            "CI_JOB_URL": "https://gitlab.com/gitlab-org/gitlab/-/jobs/50",
            "CI_PIPELINE_ID": "1000",
            "CI_PIPELINE_URL": "https://gitlab.com/gitlab-org/gitlab/-/pipelines/1000",
            "CI_PROJECT_PATH": "gitlab-org/gitlab",
            "CI_PROJECT_URL": "https://gitlab.com/gitlab-org/gitlab",
            "CI_REPOSITORY_URL": "https://gitlab-ci-token:abcde-1234ABCD5678ef@gitlab.com/gitlab-org/gitlab.git",
            "CI_RUNNER_DESCRIPTION": "my runner",
            "CI_RUNNER_ID": "10",
        },
        {
            "pipeline": "gitlab-org/gitlab",
            "build": "1000",
            "job": "spec:other",
            "job_id": "50",
            "url": "https://gitlab.com/gitlab-org/gitlab/-/jobs/50",
            "repository": "https://gitlab.com/gitlab-org/gitlab",
            "commit": COMMIT,
            "branch": "main",
            "runner": "my runner",
        },
    ),
    "jenkins": (
        {
            "BUILD_ID": "153",
            "BUILD_NUMBER": "153",
            "BUILD_TAG": "jenkins-foo-bar-153",
            "BUILD_URL": "http://server:8080/jenkins/job/foo/job/bar/153/",
            "GIT_BRANCH": "origin/main",
            "GIT_COMMIT": COMMIT,
            "GIT_URL": "https://robot:hunter2@git.example.net/foo.git",
            "JENKINS_URL": "http://server:8080/jenkins/",
            "JOB_NAME": "foo/bar",
            "NODE_NAME": "built-in",
            "STAGE_NAME": "Test",
        },
        {
            "pipeline": "foo/bar",
            "build": "153",
            "job": "Test",
            "url": "http://server:8080/jenkins/job/foo/job/bar/153/",
            "repository": "https://git.example.net/foo.git",
            "commit": COMMIT,
            "branch": "main",
            "runner": "built-in",
        },
    ),
    "buildkite": (
        {
            "BUILDKITE": "true",
            "BUILDKITE_AGENT_ACCESS_TOKEN": "83d544ccc223c157d2bf80d3f2a32982c32c3c0d",
            "BUILDKITE_AGENT_NAME": "elastic-builders-088e-5d21",
            "BUILDKITE_BRANCH": "main",
            "BUILDKITE_BUILD_ID": "4735ba57-80d0-46e2-8fa0-b28223a86586",
            "BUILDKITE_BUILD_NUMBER": "1514",
            "BUILDKITE_BUILD_URL": "https://buildkite.com/acme-inc/my-project/builds/1514",
            "BUILDKITE_COMMIT": COMMIT,
            "BUILDKITE_JOB_ID": "e44f9784-e20e-4b93-a21d-f41fd5869db9",
            "BUILDKITE_LABEL": ":hammer: Tests",
            "BUILDKITE_ORGANIZATION_SLUG": "acme-inc",
            "BUILDKITE_PIPELINE_SLUG": "my-project",
            "BUILDKITE_REPO": "git@github.com:acme-inc/my-project.git",
            "BUILDKITE_RETRY_COUNT": "1",
            "BUILDKITE_TAG": "",
        },
        {
            "pipeline": "acme-inc/my-project",
            "build": "4735ba57-80d0-46e2-8fa0-b28223a86586",
            "attempt": 2,
            "job": ":hammer: Tests",
            "job_id": "e44f9784-e20e-4b93-a21d-f41fd5869db9",
            "url": "https://buildkite.com/acme-inc/my-project/builds/1514#e44f9784-e20e-4b93-a21d-f41fd5869db9",
            "repository": "git@github.com:acme-inc/my-project.git",
            "commit": COMMIT,
            "branch": "main",
            "runner": "elastic-builders-088e-5d21",
        },
    ),
    "buildbot": (
        {
            "BUILDBOT_BRANCH": "main",
            "BUILDBOT_BUILDBOTURL": "https://buildbot.example.net/",
            "BUILDBOT_BUILDERID": "4",
            "BUILDBOT_BUILDERNAME": "runtests",
            "BUILDBOT_BUILDNUMBER": "57",
            "BUILDBOT_GOT_REVISION": COMMIT,
            "BUILDBOT_REPOSITORY": "https://git.example.net/foo.git",
            "BUILDBOT_WORKERNAME": "bot1",
        },
        {
            "pipeline": "runtests",
            "build": "57",
            "url": "https://buildbot.example.net/#/builders/4/builds/57",
            "repository": "https://git.example.net/foo.git",
            "commit": COMMIT,
            "branch": "main",
            "runner": "bot1",
        },
    ),
}


def test_there_is_an_example_for_each_system() -> None:
    assert EXAMPLES.keys() == SYSTEMS.keys()


@pytest.mark.parametrize("system", EXAMPLES)
def test_the_documented_variables_become_the_same_keys(system: str) -> None:
    environment, expected = EXAMPLES[system]
    assert ci_of({**environment, "HOME": "/home/ci"}) == {"system": system, **expected}


@pytest.mark.parametrize("system", EXAMPLES)
def test_what_a_system_does_not_say_is_left_out(system: str) -> None:
    environment, expected = EXAMPLES[system]
    (sign, _), _ = SYSTEMS[system]
    assert ci_of({sign: environment[sign]}).keys() <= {"system", "pipeline"}
    for name in environment:
        if name != sign:
            told = ci_of({key: value for key, value in environment.items() if key != name})
            assert told.keys() <= {"system", *expected}
            assert "" not in told.values()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"CI": "true"},
        {"GITHUB_ACTIONS": "", "GITLAB_CI": "false", "BUILDKITE": "", "BUILDBOT_BUILDERNAME": ""},
        {"BUILD_TAG": "v1.2", "BUILD_NUMBER": "3", "JOB_NAME": "x"},
        {"GITHUB_SHA": COMMIT, "CI_JOB_ID": "3", "BUILDKITE_JOB_ID": "3", "BUILDBOT_BUILDNUMBER": "3"},
    ],
)
def test_elsewhere_nothing_is_said(environment: dict[str, str]) -> None:
    assert ci_of(environment) == {}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"GITHUB_REF": "refs/heads/fix/a"}, {"branch": "fix/a"}),
        ({"GITHUB_REF": "refs/tags/v1.2"}, {"tag": "v1.2"}),
        ({"GITHUB_REF": "refs/pull/7/merge", "GITHUB_HEAD_REF": "fix"}, {"branch": "fix"}),
        ({"GITHUB_REF": "refs/pull/7/merge"}, {}),
    ],
)
def test_the_kind_of_a_ref_is_told(variables: dict[str, str], expected: dict[str, str]) -> None:
    told = ci_of({"GITHUB_ACTIONS": "true", **variables})
    assert told == {"system": "github-actions", **expected}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"BUILD_TAG": "jenkins-x-1", "BRANCH_NAME": "v1.2", "TAG_NAME": "v1.2"}, {"tag": "v1.2"}),
        ({"BUILD_TAG": "jenkins-x-1", "BRANCH_NAME": "PR-7", "CHANGE_BRANCH": "fix"}, {"branch": "fix"}),
        ({"BUILDKITE": "true", "BUILDKITE_BRANCH": "v1.2", "BUILDKITE_TAG": "v1.2"}, {"tag": "v1.2"}),
        ({"GITLAB_CI": "true", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "fix"}, {"branch": "fix"}),
        ({"GITLAB_CI": "true", "CI_COMMIT_TAG": "v1.2"}, {"tag": "v1.2"}),
    ],
)
def test_what_is_built_is_a_branch_or_a_tag(variables: dict[str, str], expected: dict[str, str]) -> None:
    told = ci_of(variables)
    told.pop("system")
    assert told == expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:hunter2@git.example.net/x.git", "https://git.example.net/x.git"),
        ("https://hunter2@git.example.net/x.git", "https://git.example.net/x.git"),
        ("http://hunter2@git.example.net:8080/x@y", "http://git.example.net:8080/x@y"),
        (
            "https://git.example.net/x?private_token=hunter2",
            "https://git.example.net/x?private_token=[redacted]",
        ),
        ("ssh://git@git.example.net/x.git", "ssh://git@git.example.net/x.git"),
        ("ssh://git:hunter2@git.example.net/x", "ssh://git:[redacted]@git.example.net/x"),
        ("https://git.example.net/x@y:z", "https://git.example.net/x@y:z"),
    ],
)
def test_no_secret_of_a_url_gets_in(url: str, shown: str) -> None:
    for variable, key in (("BUILDKITE_REPO", "repository"), ("BUILDKITE_BUILD_URL", "url")):
        assert ci_of({"BUILDKITE": "true", variable: url})[key] == shown


@pytest.mark.parametrize("system", EXAMPLES)
def test_a_secret_in_any_variable_is_masked(system: str) -> None:
    environment, _ = EXAMPLES[system]
    secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    (sign, beginning), _ = SYSTEMS[system]
    told = ci_of({name: beginning if name == sign and beginning else secret for name in environment})
    assert secret not in str(told)
    assert "[redacted]" in str(told)


def test_hostile_values_are_bounded() -> None:
    told = ci_of(
        {"BUILDKITE": "true", "BUILDKITE_AGENT_NAME": "x y" * 10_000, "BUILDKITE_RETRY_COUNT": "9" * 5000}
    )
    assert str(told["runner"]).endswith(" [cut]")
    assert len(str(told["runner"])) < 1100
    assert isinstance(told["attempt"], int)
    assert told["attempt"] < 2**63


@pytest.mark.parametrize("count", ["-1", "x", "1.5", "²"])
def test_a_count_that_is_none_stays_a_text(count: str) -> None:
    assert ci_of({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ATTEMPT": count})["attempt"] == count
