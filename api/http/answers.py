"""What posts are answered with, as the OpenAPI document shows it, and how results become it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from etl.curation import Curation
from etl.land import Rejection
from etl.post import CaseProblem, Posted, PostedCase
from etl.rehearse import Rehearsal


class Problem(BaseModel):
    """A value that did not arrive as it should; never the value."""

    path: str = Field(description="JSON path of the value", examples=['$.lesions[0]."PI-RADS"'])
    rule: str = Field(
        description="The rule that reads it; person: two forms disagree", examples=["lesion.pi_rads"]
    )
    kind: Literal["unmapped", "invalid", "truncated", "disagrees"]
    reason: str = Field(examples=["has no concept in value map 'pi_rads': loaded as concept 0"])
    case_id: int | None = Field(None, description="The case whose problem it is, where that is known")

    @classmethod
    def of(cls, found: CaseProblem) -> "Problem":
        return cls.model_validate(found._asdict())


class Warned(BaseModel):
    """A value that is stored as it was sent, and is not plausible; never the value."""

    path: str = Field(examples=["$.clinicalBaselineData.psa[0].freePSAvalue"])
    rule: str = Field(
        description="The rule that reads it; person: it is the person's age", examples=["psa_free"]
    )
    kind: Literal["implausible"]
    reason: str = Field(
        description="The bounds, and why",
        examples=["not plausible, above 'totalPSAvalue': free PSA is a part of total PSA"],
    )
    case_id: int | None = Field(None, description="The case whose value it is, where that is known")

    @classmethod
    def of(cls, found: CaseProblem) -> "Warned":
        return cls.model_validate(found._asdict())


class Violation(BaseModel):
    """A place where a document is not a valid case; never its value."""

    record: int = Field(description="Which document of the request, from 1", examples=[1])
    path: str = Field(examples=["$.clinicalBaselineData.age"])
    reason: str = Field(examples=["must be an integer"])

    @classmethod
    def of(cls, found: Rejection) -> "Violation":
        return cls(record=found.position, path=found.path, reason=found.reason)


class Made(BaseModel):
    """What a document makes."""

    record: int = Field(description="Which document of the request, from 1", examples=[1])
    form: str = Field(examples=["1+2+3"])
    rows: dict[str, int] = Field(
        description="Rows by OMOP table; the person's is shared with the person's other forms",
        examples=[{"person": 1, "measurement": 12}],
    )
    problems: list[Problem]
    warnings: list[Warned] = Field(description="Values to look at; they are stored, and no reason for a 202")


class StoredCase(Made):
    """What became of one case document."""

    case_id: int = Field(examples=[43])
    person_id: int = Field(examples=[41])
    version: int = Field(description="The version of the case that this document is", examples=[1])
    newest_version: int = Field(description="Another where a newer document has replaced it", examples=[1])
    changed: bool = Field(
        description="Whether this upload brought that version; it was there already otherwise"
    )
    loaded: bool = Field(description="Whether its rows are made; post the same again to try once more")
    waiting: bool = Field(
        description="Whether its rows wait in the lake: a scan of which no form of the patient is loaded yet"
    )
    failure: str | None = Field(None, description="Why they are not")

    @classmethod
    def of(cls, case: PostedCase) -> "StoredCase":
        names = ("case_id", "person_id", "form", "version", "newest_version", "changed", "loaded", "waiting")
        return cls(
            failure=case.failure,
            record=case.position,
            rows=dict(case.rows),
            problems=[Problem.of(each) for each in case.problems],
            warnings=[Warned.of(each) for each in case.warnings],
            **{name: getattr(case, name) for name in names},
        )


class Stored(BaseModel):
    """What became of a request whose documents, or some of them, are stored."""

    upload_id: int = Field(examples=[7])
    outcome: Literal["loaded", "partial", "withdrawn"]
    repeated: bool = Field(description="These bytes came before: nothing was stored twice")
    cases: list[StoredCase] = Field(
        description="Without those that somebody withdrew between their storing and this answer"
    )
    violations: list[Violation] = Field(description="Of documents of an array that are not stored")

    @classmethod
    def of(cls, posted: Posted) -> "Stored":
        return cls.model_validate(
            {
                "upload_id": posted.upload_id,
                "outcome": posted.outcome,
                "repeated": posted.repeated,
                "cases": [StoredCase.of(each) for each in posted.cases],
                "violations": [Violation.of(each) for each in posted.violations],
            }
        )


class Rehearsed(BaseModel):
    """What a post would do. Nothing is stored."""

    outcome: Literal["loaded", "partial"]
    cases: list[Made]
    violations: list[Violation]

    @classmethod
    def of(cls, rehearsal: Rehearsal) -> "Rehearsed":
        cases = [
            Made(
                record=each.position,
                form=each.form,
                rows=dict(each.rows),
                problems=[Problem.of(one) for one in each.problems],
                warnings=[Warned.of(one) for one in each.warnings],
            )
            for each in rehearsal.cases
        ]
        violations = [Violation.of(each) for each in rehearsal.violations]
        return cls(outcome="partial" if violations else "loaded", cases=cases, violations=violations)


class Curated(BaseModel):
    """What became of a curation document."""

    model_config = ConfigDict(json_schema_extra={"description": "Stored curation metadata"})

    upload_id: int = Field(examples=[8])
    curation_id: int = Field(examples=[3])
    curation_function: Literal["motion_correction", "coregistration", "approval", "segmentation"]
    outcome: Literal["loaded", "pending", "failed"] = Field(
        description="pending: stored, and loaded when the series that it is about is known;"
        " failed: stored, and not loaded though its series is known"
    )
    changed: bool = Field(description="Whether this post stored it; it was there already otherwise")
    repeated: bool = Field(description="These bytes came before: nothing was stored twice")
    case_id: int | None = Field(
        description="The case that its rows are of; null while pending", examples=[44]
    )
    rows: dict[str, int] = Field(description="Rows by OMOP table", examples=[{"curation_run": 1}])
    problems: list[Problem]
    warnings: list[Warned]

    @classmethod
    def of(cls, done: Curation) -> "Curated":
        names = ("upload_id", "curation_id", "curation_function", "changed", "repeated", "case_id")
        return cls(
            **{name: getattr(done, name) for name in names},
            outcome="loaded" if done.loaded else "pending" if done.case_id is None else "failed",
            rows=dict(done.rows),
            problems=[Problem.of(each) for each in done.problems],
            warnings=[Warned.of(each) for each in done.warnings],
        )
