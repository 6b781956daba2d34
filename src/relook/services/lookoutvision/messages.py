"""StatusMessage texts. The first five are those of the original service; clients print them, some compare them."""

from __future__ import annotations

DATASET_CREATING = "The dataset is creating."
DATASET_CREATED = "The dataset was created successfully."
MODEL_TRAINING = "The model is being trained."
MODEL_TRAINED = "Training completed successfully."
MODEL_HOSTED = "The model is running."

DATASET_CREATE_FAILED = "The dataset could not be created."
DATASET_UPDATING = "The dataset is updating."
DATASET_UPDATED = "The dataset was updated successfully."
DATASET_UPDATE_FAILED = "The update failed and was rolled back; the dataset is as it was before."
MODEL_TRAINING_FAILED = "Training failed."
MODEL_STARTING = "The model is starting."
MODEL_STOPPING = "The model is stopping."
MODEL_HOSTING_FAILED = "The model could not be started."
MODEL_HOSTING_ENDED = "The model stopped running."
