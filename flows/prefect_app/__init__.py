"""Prefect around the steps: flow, deployments, service, what is due. Nothing else imports Prefect."""
