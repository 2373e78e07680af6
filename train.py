"""Train one model on one fold: python train.py experiment=ict_sdss trainer.devices=4."""

from ictconvention.experiment.command import main

if __name__ == "__main__":
    main()
