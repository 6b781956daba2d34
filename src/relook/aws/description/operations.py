"""The 22 operations of Lookout for Vision (2020-11-20).

Members are written `Name[!][=Shape][@place]`: `!` required, the shape is named like the member unless said otherwise,
and the place is `uri`, `querystring` or `header` (with `:Name` where the name on the wire is not the member's own with
a small first letter), or `token` for the header that makes a call idempotent. Without a place a member travels in the
body.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = "2020-11-20"
PROJECT = "/projects/{projectName}"
DATASET = PROJECT + "/datasets/{datasetType}"
MODEL = PROJECT + "/models/{modelVersion}"
PAGE = "NextToken=PaginationToken@querystring MaxResults=PageSize@querystring"


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    method: str
    path: str
    takes: str
    gives: str
    about: str
    accepted: bool = False
    """Answers 202: the work goes on after the answer."""
    payload: str | None = None
    conflicts: bool = True
    """ConflictException is declared."""
    quota: bool = False
    """ServiceQuotaExceededException is declared."""


OPERATIONS = (
    Operation(
        "CreateDataset",
        "POST",
        PROJECT + "/datasets",
        "ProjectName!@uri DatasetType! DatasetSource ClientToken@token",
        "DatasetMetadata",
        "Create the training or the test dataset of a project, from a manifest or empty.",
        accepted=True,
        quota=True,
    ),
    Operation(
        "CreateModel",
        "POST",
        PROJECT + "/models",
        "ProjectName!@uri Description=ModelDescriptionMessage ClientToken@token OutputConfig! KmsKeyId Tags=TagList",
        "ModelMetadata",
        "Train a new version of a project's model.",
        accepted=True,
        quota=True,
    ),
    Operation(
        "CreateProject",
        "POST",
        "/projects",
        "ProjectName! ClientToken@token",
        "ProjectMetadata",
        "Create a project, which holds the datasets and the models of one inspection.",
        quota=True,
    ),
    Operation(
        "DeleteDataset",
        "DELETE",
        DATASET,
        "ProjectName!@uri DatasetType!@uri ClientToken@token",
        "",
        "Delete a dataset; models trained on it stay.",
        accepted=True,
    ),
    Operation(
        "DeleteModel",
        "DELETE",
        MODEL,
        "ProjectName!@uri ModelVersion!=ModelVersionNoLatest@uri ClientToken@token",
        "ModelArn",
        "Delete a model that is neither training nor hosted.",
        accepted=True,
    ),
    Operation(
        "DeleteProject",
        "DELETE",
        PROJECT,
        "ProjectName!@uri ClientToken@token",
        "ProjectArn",
        "Delete a project that has no datasets and no models.",
    ),
    Operation(
        "DescribeDataset",
        "GET",
        DATASET,
        "ProjectName!@uri DatasetType!@uri",
        "DatasetDescription",
        "Tell the status of a dataset and how many images it has.",
    ),
    Operation(
        "DescribeModel",
        "GET",
        MODEL,
        "ProjectName!@uri ModelVersion!@uri",
        "ModelDescription",
        "Tell the status of a model and, once it is trained, how well it does.",
    ),
    Operation(
        "DescribeModelPackagingJob",
        "GET",
        PROJECT + "/modelpackagingjobs/{jobName}",
        "ProjectName!@uri JobName!=ModelPackagingJobName@uri",
        "ModelPackagingDescription",
        "Tell the status of a job that packages a model for an edge device.",
        conflicts=False,
    ),
    Operation(
        "DescribeProject",
        "GET",
        PROJECT,
        "ProjectName!@uri",
        "ProjectDescription",
        "Tell what a project is and which datasets it has.",
    ),
    Operation(
        "DetectAnomalies",
        "POST",
        MODEL + "/detect",
        "ProjectName!@uri ModelVersion!@uri Body!=Stream ContentType!@header:Content-Type",
        "DetectAnomalyResult",
        "Inspect one JPEG or PNG image with a hosted model.",
        payload="Body",
    ),
    Operation(
        "ListDatasetEntries",
        "GET",
        DATASET + "/entries",
        "ProjectName!@uri DatasetType!@uri Labeled=IsLabeled@querystring AnomalyClass=AnomalyClassFilter@querystring "
        "BeforeCreationDate=DateTime@querystring:createdBefore AfterCreationDate=DateTime@querystring:createdAfter "
        f"{PAGE} SourceRefContains=QueryString@querystring",
        "DatasetEntries=DatasetEntryList NextToken=PaginationToken",
        "List the JSON lines of a dataset, all or those that pass a filter.",
    ),
    Operation(
        "ListModelPackagingJobs",
        "GET",
        PROJECT + "/modelpackagingjobs",
        f"ProjectName!@uri {PAGE}",
        "ModelPackagingJobs=ModelPackagingJobsList NextToken=PaginationToken",
        "List the packaging jobs of a project.",
        conflicts=False,
    ),
    Operation(
        "ListModels",
        "GET",
        PROJECT + "/models",
        f"ProjectName!@uri {PAGE}",
        "Models=ModelMetadataList NextToken=PaginationToken",
        "List the models of a project.",
    ),
    Operation(
        "ListProjects",
        "GET",
        "/projects",
        PAGE,
        "Projects=ProjectMetadataList NextToken=PaginationToken",
        "List the projects of the account in this region.",
    ),
    Operation(
        "ListTagsForResource",
        "GET",
        "/tags/{resourceArn}",
        "ResourceArn!=TagArn@uri",
        "Tags=TagList",
        "List the tags of a model.",
    ),
    Operation(
        "StartModel",
        "POST",
        MODEL + "/start",
        "ProjectName!@uri ModelVersion!@uri MinInferenceUnits!=InferenceUnits ClientToken@token "
        "MaxInferenceUnits=InferenceUnits",
        "Status=ModelHostingStatus",
        "Host a trained model, so that it can inspect images.",
        accepted=True,
        quota=True,
    ),
    Operation(
        "StartModelPackagingJob",
        "POST",
        PROJECT + "/modelpackagingjobs",
        "ProjectName!@uri ModelVersion! JobName=ModelPackagingJobName Configuration!=ModelPackagingConfiguration "
        "Description=ModelPackagingJobDescription ClientToken@token",
        "JobName=ModelPackagingJobName",
        "Package a model for an edge device.",
        quota=True,
    ),
    Operation(
        "StopModel",
        "POST",
        MODEL + "/stop",
        "ProjectName!@uri ModelVersion!@uri ClientToken@token",
        "Status=ModelHostingStatus",
        "Stop hosting a model.",
        accepted=True,
    ),
    Operation(
        "TagResource",
        "POST",
        "/tags/{resourceArn}",
        "ResourceArn!=TagArn@uri Tags!=TagList",
        "",
        "Add tags to a model.",
        quota=True,
    ),
    Operation(
        "UntagResource",
        "DELETE",
        "/tags/{resourceArn}",
        "ResourceArn!=TagArn@uri TagKeys!=TagKeyList@querystring",
        "",
        "Take tags off a model.",
    ),
    Operation(
        "UpdateDatasetEntries",
        "PATCH",
        DATASET + "/entries",
        "ProjectName!@uri DatasetType!@uri Changes!=DatasetChanges ClientToken@token",
        "Status=DatasetStatus",
        "Add JSON lines to a dataset, or replace those of the same image.",
        accepted=True,
    ),
)

# Operation, and the output member that holds a page's results.
PAGINATORS = {
    "ListDatasetEntries": "DatasetEntries",
    "ListModelPackagingJobs": "ModelPackagingJobs",
    "ListModels": "Models",
    "ListProjects": "Projects",
}
